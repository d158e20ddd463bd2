"""Files are whole or not there."""

from __future__ import annotations

import errno
import os

import pytest

from atnn.errors import DataError
from atnn.files import write_atomically


def test_bytes_text_and_writers_give_the_same_file(tmp_path):
    for content in (b"abc", "abc", lambda path: path.write_text("abc")):
        assert write_atomically(tmp_path / "a", content).read_bytes() == b"abc"
    assert os.listdir(tmp_path) == ["a"]


def test_a_writer_that_fails_leaves_the_old_file_and_no_rubbish(tmp_path):
    target = tmp_path / "a"
    target.write_text("old")

    def fail(path):
        path.write_text("half")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        write_atomically(target, fail)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_full_disk_is_an_error_that_says_what_to_do_and_keeps_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "a"
    target.write_text("old")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="No space left") as caught:
        write_atomically(target, b"new")
    assert "old file is intact" in caught.value.remedy and str(target) in caught.value.where
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_device_that_is_really_full_is_reported(tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")

    def write(path):
        with open("/dev/full", "w") as stream:
            stream.write("x" * 100_000)

    with pytest.raises(DataError, match="No space left"):
        write_atomically(tmp_path / "a", write)
    assert os.listdir(tmp_path) == []


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        write_atomically(tmp_path / "nowhere" / "a", b"abc")


def test_the_mode_of_an_existing_file_is_kept(tmp_path):
    target = tmp_path / "a"
    target.write_text("old")
    target.chmod(0o640)
    write_atomically(target, "new")
    assert target.stat().st_mode & 0o777 == 0o640
