"""Public sets from a server of this test: ranges, interruptions, wrong checksums, and no network."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import lzma
import tarfile
import threading

import numpy as np
import pytest
import yaml

from atnn.errors import DataError
from atnn.reading.published import fetch, find_set, list_sets, table
from atnn.reading.published.checksums import ALGORITHMS, compute_checksum

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves bytes with ranges; the server says after how many bytes the line breaks, and whether it knows ranges."""

    def do_GET(self):
        server = self.server
        content = server.files.get(self.path)
        wanted = self.headers.get("Range")
        server.asked.append(wanted)
        if content is None:
            self.send_error(404)
            return
        same = self.headers.get("If-Range", server.tag) == server.tag
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and server.ranges and same else 0
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", server.tag)
        self.end_headers()
        stop, server.breaks = server.breaks or len(content), 0
        self.wfile.write(content[start : start + stop])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        found.files, found.asked, found.tag = {"/a.bin": CONTENT}, [], '"1"'
        found.ranges, found.breaks = True, 0
        found.url = f"http://127.0.0.1:{found.server_address[1]}"
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


@pytest.fixture
def publish(tmp_path, monkeypatch, server):
    """Writes a table with one set, whose files are as given."""
    monkeypatch.delenv("ATNN_DATA", raising=False)

    def write(*files, **row):
        given = [{"url": f"{server.url}/{file['name']}"} | file for file in files]
        row = {"name": "set", "title": "A set", "doi": "10.0/0", "license": "CC0", "split": "none", **row}
        (tmp_path / "sets.yaml").write_text(yaml.safe_dump([row | {"files": given}]))
        monkeypatch.setattr(table, "TABLE", tmp_path / "sets.yaml")
        list_sets.cache_clear()

    yield write
    list_sets.cache_clear()


def bound(content: bytes, name: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def test_a_file_is_downloaded_and_checked_once(publish, server, tmp_path):
    publish({"name": "a.bin", "checksum": f"sha256:{SHA256}", "size": len(CONTENT)})
    for _ in range(2):
        found = fetch("set", tmp_path)
        assert found.complete and not found.unknown and found.checksums == {"a.bin": f"sha256:{SHA256}"}
        assert found.paths == [tmp_path / "set" / "a.bin"] and found.paths[0].read_bytes() == CONTENT
    assert server.asked == [None]
    left = {path.name for path in (tmp_path / "set").iterdir()}
    assert left == {"a.bin", "record.json"}


def test_an_interrupted_download_goes_on_where_it_ended(publish, server, tmp_path):
    publish({"name": "a.bin", "checksum": f"sha256:{SHA256}"})
    server.breaks = 100_000
    with pytest.raises(DataError, match=r"ended after 100000 of 300000 bytes|interrupted") as caught:
        fetch("set", tmp_path)
    assert "goes on" in caught.value.remedy and not (tmp_path / "set" / "a.bin").exists()
    assert fetch("set", tmp_path).paths[0].read_bytes() == CONTENT
    assert server.asked == [None, "bytes=100000-"]


def test_a_server_without_ranges_sends_everything_again(publish, server, tmp_path):
    publish({"name": "a.bin", "checksum": f"sha256:{SHA256}"})
    server.breaks, server.ranges = 100_000, False
    with pytest.raises(DataError):
        fetch("set", tmp_path)
    assert fetch("set", tmp_path).paths[0].read_bytes() == CONTENT


def test_a_file_that_changed_in_between_is_begun_again(publish, server, tmp_path):
    publish({"name": "a.bin"})
    server.breaks = 100_000
    with pytest.raises(DataError):
        fetch("set", tmp_path)
    server.files["/a.bin"], server.tag = CONTENT[::-1], '"2"'
    assert fetch("set", tmp_path).paths[0].read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("came", [CONTENT, CONTENT + b"more"])
def test_a_complete_part_is_finished_and_one_too_long_begun_again(publish, server, tmp_path, came):
    publish({"name": "a.bin", "checksum": f"sha256:{SHA256}"})
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / ".a.bin.part").write_bytes(came)
    assert fetch("set", tmp_path).paths[0].read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(came)}-"] + [None] * (came != CONTENT)


def test_another_checksum_than_the_known_one_is_an_error_and_leaves_nothing(publish, tmp_path):
    publish({"name": "a.bin", "checksum": "md5:" + "0" * 32})
    with pytest.raises(DataError, match="the known one is md5:000") as caught:
        fetch("set", tmp_path)
    assert hashlib.md5(CONTENT).hexdigest() in caught.value.what and "/a.bin" in caught.value.where
    assert [path.name for path in (tmp_path / "set").glob("*a.bin*") if path.name != ".a.bin.mark"] == []


def test_the_beginning_of_a_digest_is_compared(publish, tmp_path):
    publish({"name": "a.bin", "checksum": f"sha256:{SHA256[:12]}"})
    assert fetch("set", tmp_path).complete


def test_git_names_are_checksums(tmp_path):
    (tmp_path / "a").write_bytes(b"hello\n")  # echo hello | git hash-object --stdin
    assert compute_checksum(tmp_path / "a", "git") == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_without_a_known_checksum_the_first_one_is_recorded_and_compared(publish, tmp_path):
    publish({"name": "a.bin"})
    found = fetch("set", tmp_path)
    assert found.unknown == ["a.bin"]
    record = json.loads((tmp_path / "set" / "record.json").read_text())
    assert record["a.bin"]["checksum"] == f"sha256:{SHA256}"
    (tmp_path / "set" / "a.bin").write_bytes(b"changed")
    with pytest.raises(DataError, match=f"the known one is sha256:{SHA256}"):
        fetch("set", tmp_path)


def test_a_wrong_size_is_an_error(publish, tmp_path):
    publish({"name": "a.bin", "size": 10})
    with pytest.raises(DataError, match="the server has 300000 bytes, and the known size is 10"):
        fetch("set", tmp_path)


def test_a_disk_without_space_is_noticed_before(publish, server, tmp_path, monkeypatch):
    publish({"name": "a.bin"})
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(DataError, match="the disk has 0 MB left"):
        fetch("set", tmp_path)


def test_what_the_server_refuses_is_told(publish, tmp_path):
    publish({"name": "missing.bin"})
    with pytest.raises(DataError, match="the server answers 404"):
        fetch("set", tmp_path)


def test_without_a_network_the_error_says_what_to_do(publish, tmp_path):
    publish({"name": "a.bin", "url": "http://127.0.0.1:1/a.bin"})
    with pytest.raises(DataError, match="cannot be reached") as caught:
        fetch("set", tmp_path)
    assert "ATNN_DATA" in caught.value.remedy


def test_without_a_network_a_part_below_atnn_data_stands_for_the_set(publish, tmp_path, monkeypatch):
    publish({"name": "a.bin", "url": "http://127.0.0.1:1/a.bin"}, part=["other/part.xyz"])
    (tmp_path / "local" / "other").mkdir(parents=True)
    (tmp_path / "local" / "other" / "part.xyz").write_text("1\n\nH 0 0 0\n")
    monkeypatch.setenv("ATNN_DATA", str(tmp_path / "local"))
    found = fetch("set", tmp_path)
    assert not found.complete and found.paths == [tmp_path / "local" / "other" / "part.xyz"]


def test_a_local_copy_is_checked_and_linked(publish, server, tmp_path, monkeypatch):
    publish({"name": "a.bin", "checksum": f"sha256:{SHA256}"})
    local = tmp_path / "local" / "set" / "a.bin"
    local.parent.mkdir(parents=True)
    local.write_bytes(CONTENT)
    monkeypatch.setenv("ATNN_DATA", str(tmp_path / "local"))
    (path,) = fetch("set", tmp_path).paths
    assert path == tmp_path / "set" / "a.bin" and path.resolve() == local.resolve() and server.asked == []
    local.write_bytes(b"damaged")
    with pytest.raises(DataError, match="the known one is") as caught:
        fetch("set", tmp_path / "other")
    assert str(local) in caught.value.where


def test_a_link_that_leads_nowhere_is_replaced(publish, tmp_path):
    publish({"name": "a.bin", "checksum": f"sha256:{SHA256}"})
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.bin").symlink_to(tmp_path / "gone")
    assert fetch("set", tmp_path).paths[0].read_bytes() == CONTENT


def test_a_file_in_a_folder_of_its_own_is_put_there(publish, server, tmp_path):
    publish({"name": "data_0/set.000/a.bin", "url": f"{server.url}/a.bin"})
    assert fetch("set", tmp_path).paths == [tmp_path / "set" / "data_0" / "set.000" / "a.bin"]


def test_archives_are_unpacked_once(publish, server, tmp_path):
    publish({"name": "b.tar.gz", "archive": True}, {"name": "1000.xz", "archive": True})
    server.files |= {"/b.tar.gz": bound(CONTENT, "b/train.xyz"), "/1000.xz": lzma.compress(CONTENT)}
    for _ in range(2):
        found = fetch("set", tmp_path)
        assert found.paths == [tmp_path / "set" / "b", tmp_path / "set" / "1000.hdf5"]
        assert (tmp_path / "set" / "b" / "train.xyz").read_bytes() == CONTENT
        assert found.paths[1].read_bytes() == CONTENT
    (tmp_path / "set" / "1000.hdf5").unlink()
    assert fetch("set", tmp_path).paths[1].exists()


@pytest.mark.parametrize("name", ["../outside", "/tmp/atnn-outside"])
def test_members_outside_the_folder_are_not_written(publish, server, tmp_path, name):
    publish({"name": "b.tar.gz", "archive": True})
    server.files["/b.tar.gz"] = bound(b"x", name)
    folder = tmp_path / "deep" / "deeper"
    try:
        found = fetch("set", folder)
    except DataError as error:
        assert "cannot be unpacked" in str(error)
    else:  # a leading slash is taken away
        assert all(path.is_relative_to(folder / "set") for path in found.paths)
    assert not (folder / "set" / "outside").exists() and not (folder / "outside").exists()


def test_archives_that_grow_without_end_are_refused(publish, server, tmp_path, monkeypatch):
    monkeypatch.setattr("atnn.reading.published.unpacking.SMALL", 1 << 16)
    for name, content in (("b.tar.gz", bound(bytes(1 << 22), "zeros")), ("1.xz", lzma.compress(bytes(1 << 22)))):
        publish({"name": name, "archive": True})
        server.files[f"/{name}"] = content
        with pytest.raises(DataError, match="grows to more than"):
            fetch("set", tmp_path / name)


@pytest.mark.parametrize("name", ["b.tar.gz", "1.xz"])
def test_a_damaged_archive_is_an_error(publish, server, tmp_path, name):
    publish({"name": name, "archive": True})
    whole = bound(CONTENT, "a") if name == "b.tar.gz" else lzma.compress(CONTENT)
    server.files[f"/{name}"] = whole[: len(whole) // 2]
    with pytest.raises(DataError, match="cannot be unpacked"):
        fetch("set", tmp_path)


def test_an_unknown_set_is_named_with_those_that_exist():
    with pytest.raises(DataError, match="no public set is called 'qm8'") as caught:
        find_set("qm8")
    assert "qm9" in caught.value.remedy and "c-gap-17" in caught.value.remedy


def test_every_row_of_the_table_is_whole():
    lengths = {"sha256": 64, "md5": 32, "git": 40}
    for row in list_sets().values():
        assert row.files and row.license and row.split and row.doi.startswith("10.")
        for file in row.files:
            assert file.url.startswith(("https://", "http://www.quantum-machine.org/"))
            if file.checksum:
                algorithm, _, digits = file.checksum.partition(":")
                assert algorithm in ALGORITHMS and 12 <= len(digits) <= lengths[algorithm] and row.source
                assert set(digits) <= set("0123456789abcdef")
        assert row.text().startswith(row.name)
