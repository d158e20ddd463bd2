"""One file from the network, which goes on where an earlier attempt was interrupted."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from atnn.errors import DataError
from atnn.files import flush
from atnn.progress import Progress
from atnn.reading.published.checksums import check
from atnn.reading.published.table import SetFile

TIMEOUT = 60.0  # seconds without a byte
_CHUNK = 1 << 18  # bytes
_AGAIN = "the same command goes on where it ended"


class Unreachable(DataError):
    """There is no network, or nobody answers."""


def download(file: SetFile, target: Path) -> None:
    """Download a file, check it, and give it its name when it is safe on disk.

    What has come stands beside the target in ``.NAME.part`` until the file is complete.

    Args:
        file: What to download.
        target: Its place; the folder must exist.

    Raises:
        Unreachable: Nobody answers.
        DataError: The download was interrupted, the server refuses it, the disk is full, or the file has another size
            or checksum than the known one. What has come is kept, except where it is wrong.
    """
    part = target.with_name(f".{target.name}.part")
    mark = target.with_name(f".{target.name}.mark")
    try:
        _fill(file, part, mark)
        _check(file, part)
        os.replace(part, target)
        flush(target.parent)
        mark.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"cannot be written ({error.strerror or error})",
            where=str(target),
            remedy=f"free space on the disk or choose another folder; {_AGAIN}",
        ) from error


def _fill(file: SetFile, part: Path, mark: Path) -> None:
    """Append to the part what is not there yet."""
    begun = part.stat().st_size if part.exists() else 0
    with _open(file, begun, mark) as answer:
        start, total = _find_range(answer, begun)
        if answer.status == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            if start == total > 0:
                return  # all had come before
            part.unlink()
            return _fill(file, part, mark)
        expected = file.size or total
        if total and file.size and total != file.size:
            raise DataError(
                f"the server has {total} bytes, and the known size is {file.size}",
                where=file.url,
                remedy="the file at this address has changed; get it from the paper by hand",
            )
        _check_space(part.parent, (expected or 0) - start, file)
        mark.write_text(_validator(answer))
        with open(part, "r+b" if start else "wb") as stream:
            stream.truncate(start)
            stream.seek(start)
            _copy(answer, stream, file, expected)
            stream.flush()
            os.fsync(stream.fileno())
            came = stream.tell()
    if expected and came < expected:
        raise DataError(f"the download ended after {came} of {expected} bytes", where=file.url, remedy=_AGAIN)


def _open(file: SetFile, begun: int, mark: Path) -> Any:
    headers = {"User-Agent": "atnn", "Accept-Encoding": "identity"}
    if begun:
        headers["Range"] = f"bytes={begun}-"
        if mark.exists() and (validator := mark.read_text()):
            headers["If-Range"] = validator  # the server sends the whole file if it is no longer the same
    try:
        return urllib.request.urlopen(urllib.request.Request(file.url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and begun:
            return error  # nothing is beyond what has come
        raise DataError(
            f"the server answers {error.code} ({error.reason})",
            where=file.url,
            remedy="try again later, or get the file by hand and put it into the folder of the set",
        ) from error
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        reason = getattr(error, "reason", error)
        raise Unreachable(
            f"cannot be reached ({reason})",
            where=file.url,
            remedy="connect to the network, or put the file into the folder that ATNN_DATA names",
        ) from error


def _find_range(answer: Any, begun: int) -> tuple[int, int]:
    """Where the content begins, and the size of the whole file; zero if the server does not tell it."""
    found = re.match(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", answer.headers.get("Content-Range", ""))
    if found:
        total = int(found[2]) if found[2] != "*" else 0
        if answer.status == http.HTTPStatus.PARTIAL_CONTENT and found[1]:
            return min(int(found[1]), begun), total
        return (begun if begun == total else 0), total
    length = answer.headers.get("Content-Length", "")
    return 0, int(length) if answer.status == http.HTTPStatus.OK and length.isdigit() else 0


def _validator(answer: Any) -> str:
    """What tells one version of the file from another; weak ones do not."""
    tag = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') else answer.headers.get("Last-Modified", "")


def _check_space(folder: Path, needed: int, file: SetFile) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"needs {needed >> 20} MB, and the disk has {free >> 20} MB left",
            where=file.name,
            remedy="free space, or choose another folder with --folder",
        )


def _copy(answer: Any, stream: Any, file: SetFile, expected: int) -> None:
    with Progress(f"download of {file.name}", expected >> 20, done=stream.tell() >> 20, unit="MB") as progress:
        while content := _read(answer, file):
            if expected and stream.tell() + len(content) > expected:
                raise DataError(
                    f"the server sends more than {expected} bytes", where=file.url, remedy="get the file by hand"
                )
            stream.write(content)
            if stream.tell() >> 20 > progress.done:
                progress.reach(stream.tell() >> 20)


def _read(answer: Any, file: SetFile) -> bytes:
    try:
        return answer.read1(_CHUNK)
    except (http.client.HTTPException, OSError) as error:
        reason = error or type(error).__name__
        raise DataError(f"the download was interrupted ({reason})", where=file.url, remedy=_AGAIN) from error


def _check(file: SetFile, part: Path) -> None:
    """Compare what has come with what is known of it; a wrong file is removed, since nothing can go on from it."""
    try:
        if file.checksum:
            check(part, file.checksum, "the wrong file was removed; try again, and if this repeats, it has changed")
    except DataError as error:
        part.unlink()
        raise DataError(error.what, where=file.url, remedy=error.remedy) from None
