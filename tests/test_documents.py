"""Documents are read whole, or are an error that names them."""

from __future__ import annotations

import pytest

from atnn import documents
from atnn.documents import parse_json, read_json, read_text
from atnn.errors import DataError


def test_text_is_utf8_with_or_without_a_mark(tmp_path):
    path = tmp_path / "a"
    for mark in (b"", b"\xef\xbb\xbf"):
        path.write_bytes(mark + "Å".encode())
        assert read_text(path) == "Å"


@pytest.mark.parametrize(
    "text",
    ["", "null", "[1]", "{", "[" * 100_000, '{"a": ' * 100_000, '{"a": 1, "a": 2}', '{"a": ' + "9" * 5000 + "}"],
    ids=["empty", "null", "list", "half", "deep list", "deep", "twice", "long"],
)
def test_no_object_is_an_error_that_names_the_file(text):
    with pytest.raises(DataError, match="some file"):
        parse_json(text, "some file")


def test_files_that_are_no_text_are_errors(tmp_path, monkeypatch):
    path = tmp_path / "a"
    with pytest.raises(DataError, match="cannot be read"):
        read_json(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_json(tmp_path)
    path.write_bytes(b'{"a": "\xae"}')
    with pytest.raises(DataError, match=r"no UTF-8 text \(byte 7\)"):
        read_json(path)
    monkeypatch.setattr(documents, "LONGEST", 3)
    with pytest.raises(DataError, match="no text of this kind"):
        read_json(path)
