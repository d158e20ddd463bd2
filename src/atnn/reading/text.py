"""Text files of any origin: UTF-8, plain, gzipped or as xz, in lines of bounded length."""

from __future__ import annotations

import gzip
import io
import lzma
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from atnn.errors import DataError, unreadable
from atnn.reading.compressed import XzFile

LONGEST_LINE = 1 << 24  # bytes
EXPANSION = 100  # of a compressed file, beyond SMALL; text of numbers shrinks three to ten times
SMALL = 1 << 28  # bytes
_OPENERS: dict[str, Any] = {".gz": lambda file: gzip.GzipFile(fileobj=file), ".xz": XzFile}


@contextmanager
def open_text(path: Path) -> Iterator[io.TextIOWrapper]:
    """Open a text file; what cannot be decompressed or decoded while it is read is an error, too.

    Raises:
        DataError: The file cannot be opened, decompressed or decoded, or holds a line of more than 16 MB.
    """
    try:
        with open(path, "rb") as file:
            source = _OPENERS[path.suffix](file) if path.suffix in _OPENERS else file
            limit = max(SMALL, EXPANSION * path.stat().st_size)
            buffered = io.BufferedReader(_Bounded(source, limit, path), 1 << 20)
            with io.TextIOWrapper(buffered, encoding="utf-8-sig") as stream:
                yield stream
    except OSError as error:
        raise unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"is no UTF-8 text (byte 0x{error.object[error.start]:02X})",
            where=str(path),
            remedy="it is damaged, in another encoding, or no text file: copy it again or convert it",
        ) from error


def parse_floats(words: Sequence[str] | Sequence[Sequence[str]]) -> Float[np.ndarray, "..."]:
    """Numbers of a text; Python alone would take 1_0 for ten.

    Raises:
        ValueError: A word is no number, or the rows have unequal lengths.
    """
    refuse_underscores(words)
    return np.array(words, dtype=np.float64)


def parse_count(word: str) -> int:
    """A number of things, in digits.

    Raises:
        ValueError: The word is anything else.
    """
    if not re.fullmatch(r"[0-9]{1,9}", word):
        raise ValueError(f"{word!r} is no count")
    return int(word)


def refuse_underscores(words: Sequence[Any]) -> None:
    """Refuse numbers such as 1_0.

    Raises:
        ValueError: There is one.
    """
    for word in words:
        if isinstance(word, str):
            if "_" in word:
                raise ValueError(f"{word!r} is no number")
        else:
            refuse_underscores(word)


class _Bounded(io.RawIOBase):
    """Passes bytes on as long as they can be lines of text.

    Args:
        source: Gives the bytes.
        limit: How many it may give.
        path: The file, for messages.
    """

    def __init__(self, source: Any, limit: int, path: Path):
        self._source, self._limit, self._path = source, limit, path
        self._line = self._total = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        try:
            count = self._source.readinto(view)
        except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
            raise DataError(
                f"cannot be decompressed ({error})", where=str(self._path), remedy="copy the file again"
            ) from error
        self._total += count
        if isinstance(self._source, gzip.GzipFile | XzFile) and self._total > self._limit:
            raise DataError(
                f"grows to more than {self._limit >> 20} MB when it is decompressed",
                where=str(self._path),
                remedy="no data shrink so much; if these are sound, decompress the file first",
            )
        content = bytes(view[:count])
        if b"\0" in content:
            raise DataError("holds zero bytes, so it is no text", where=str(self._path), remedy="copy the file again")
        end = content.rfind(b"\n")
        self._line = self._line + count if end < 0 else count - end - 1
        if self._line > LONGEST_LINE:
            raise DataError(
                f"holds a line of more than {LONGEST_LINE >> 20} MB",
                where=str(self._path),
                remedy="this is no file of structures",
            )
        return count
