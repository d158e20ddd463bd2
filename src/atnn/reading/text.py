"""Opening text files that anybody may have written: UTF-8, plain or gzipped, with lines of bounded length."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from atnn.errors import DataError

LONGEST = 16 << 20  # bytes of a line; a small gzipped file may unpack to one of gigabytes
_BLOCK = 1 << 16
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")


@contextmanager
def open_text(path: Path) -> Iterator[io.TextIOWrapper]:
    """Open a text file, unpacked if its name ends in ``.gz``.

    Raises:
        DataError: Here or while it is read: it cannot be opened or unpacked, is no UTF-8, or has a line of more than
            16 MB.
    """
    try:
        raw = gzip.GzipFile(path) if path.suffix == ".gz" else path.open("rb", buffering=0)
    except OSError as error:
        raise _unreadable(path, error) from error
    with raw, io.TextIOWrapper(io.BufferedReader(_Bounded(raw, path), _BLOCK), encoding="utf-8") as stream:
        try:
            yield stream
        except UnicodeDecodeError as error:
            raise _unreadable(path, error) from error


def parse_integer(text: str) -> int:
    """Read a decimal integer. Unlike Python's, ``1_0`` is none.

    Raises:
        ValueError: It is none, or has more than 18 digits.
    """
    if not _INTEGER.fullmatch(text.strip()):
        raise ValueError(f"{text.strip()[:40]!r} is no integer")
    return int(text)


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(
        f"cannot be read, decompressed or decoded ({error})", where=str(path), remedy="copy the file again"
    )


class _Bounded(io.RawIOBase):
    """Bytes of another stream, block by block, until one line is too long."""

    def __init__(self, stream: io.BufferedIOBase | io.RawIOBase, path: Path):
        self._stream, self._path, self._length = stream, path, 0

    def readable(self) -> bool:
        return True

    def readinto(self, target) -> int:
        try:
            block = self._stream.read(len(target)) or b""
        except (OSError, EOFError, zlib.error) as error:
            raise _unreadable(self._path, error) from error
        last = block.rfind(b"\n")
        self._length = self._length + len(block) if last < 0 else len(block) - last
        if self._length > LONGEST:
            raise DataError(
                f"a line has more than {LONGEST >> 20} MB",
                where=str(self._path),
                remedy="copy the file again; if it is right, break its lines",
            )
        target[: len(block)] = block
        return len(block)
