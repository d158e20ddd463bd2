"""Seals at the end of files whose own format has no checksum, which HDF5 ignores there.

The library that reads HDF5 may never return from a damaged file, so that the seal is looked at before it.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

_MARK = b"atnnseal"
_SIZE = 16  # bytes of the hash
_BLOCK = 1 << 18  # bytes


def write_seal(path: Path) -> None:
    """Append the hash of a file to it."""
    digest = _hash_start(path, path.stat().st_size)
    with open(path, "ab") as file:
        file.write(_MARK + digest)


def has_seal(path: Path) -> bool:
    """Whether a file ends with a seal.

    Raises:
        OSError: It cannot be read.
    """
    return _read_end(path).startswith(_MARK)


def is_intact(path: Path) -> bool:
    """Whether a file with a seal is what was written. All of it is read.

    Raises:
        OSError: It cannot be read.
    """
    start = path.stat().st_size - len(_MARK) - _SIZE
    return _read_end(path) == _MARK + _hash_start(path, start)


def _read_end(path: Path) -> bytes:
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - len(_MARK) - _SIZE))
        return file.read()


def _hash_start(path: Path, size: int) -> bytes:
    digest = hashlib.blake2b(digest_size=_SIZE)
    with open(path, "rb") as file:
        while size > 0 and (block := file.read(min(size, _BLOCK))):
            digest.update(block)
            size -= len(block)
    return digest.digest()
