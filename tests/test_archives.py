"""Archives give back what was written, or an error."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from atnn.archives import Archive, encode, hash_file
from atnn.errors import DataError, ModelFileError

HEADER = {"format": "test", "version": 2, "words": "Å"}
TENSORS = {
    "a": torch.arange(6.0).reshape(2, 3),
    "b": torch.tensor([True, False]),
    "empty": torch.zeros(0, 3),
    "one": torch.tensor(7),
}
CONTENT = encode(HEADER, TENSORS)


def _open(path, **settings):
    return Archive(path, "test", **{"newest": 2, **settings})


def test_an_archive_gives_back_what_was_written(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(CONTENT)
    archive = _open(path)
    assert archive.header == HEADER
    assert archive.tensors().keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert torch.equal(archive[name], tensor) and archive[name].dtype == tensor.dtype
        assert archive.shape(name) == tuple(tensor.shape)


@settings(max_examples=200, deadline=None)
@given(bit=st.integers(0, 8 * len(CONTENT) - 1))
def test_no_flipped_bit_is_taken_for_the_truth(bit, tmp_path_factory):
    damaged = bytearray(CONTENT)
    damaged[bit // 8] ^= 1 << bit % 8
    path = tmp_path_factory.mktemp("archive") / "a"
    path.write_bytes(damaged)
    try:
        archive = _open(path)
        found = archive.tensors()
    except DataError:
        return
    # A bit in the padding of the file's own header says nothing.
    assert archive.header == HEADER
    assert all(torch.equal(found[name], tensor) for name, tensor in TENSORS.items())


@pytest.mark.parametrize("length", [0, 7, 8, 60, len(CONTENT) - 1])
def test_a_truncated_archive_is_an_error_of_the_wanted_class(tmp_path, length):
    path = tmp_path / "a"
    path.write_bytes(CONTENT[:length])
    with pytest.raises(ModelFileError, match="truncated or corrupted"):
        _open(path, error=ModelFileError)


def test_an_archive_without_hashes_is_read_only_if_it_is_old(tmp_path):
    path = tmp_path / "a"
    for version in (1, 2):
        path.write_bytes(save(TENSORS, {"atnn": json.dumps({"format": "test", "version": version})}))
        if version == 1:
            assert torch.equal(_open(path, sealed=2)["a"], TENSORS["a"])
        else:
            with pytest.raises(DataError, match="header is not what was written"):
                _open(path, sealed=2)


@pytest.mark.parametrize("header", ["null", "[]", "{}", "7", "[" * 100_000, '{"format": "test", "version": "2"}'])
def test_headers_of_a_wrong_kind_are_errors(tmp_path, header):
    path = tmp_path / "a"
    path.write_bytes(save(TENSORS, {"atnn": header}))
    with pytest.raises(DataError):
        _open(path, sealed=3)


def test_newer_and_foreign_and_missing_archives_are_errors(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(CONTENT)
    with pytest.raises(DataError, match="newer than 1"):
        _open(path, newest=1)
    with pytest.raises(DataError, match="not a file of the kind other"):
        Archive(path, "other", newest=2)
    with pytest.raises(DataError, match="no such file"):
        _open(tmp_path / "b")


def test_the_hash_of_a_file_is_that_of_its_content(tmp_path):
    for name in "ab":
        (tmp_path / name).write_bytes(b"content")
    (tmp_path / "c").write_bytes(b"other")
    assert hash_file(tmp_path / "a") == hash_file(tmp_path / "b") != hash_file(tmp_path / "c")
    with pytest.raises(DataError, match="cannot be read"):
        hash_file(tmp_path)
