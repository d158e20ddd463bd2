"""Loading numpy's files, which may be damaged or promise more than they hold."""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

from atnn.errors import DataError

UNPACKED = 1 << 30  # bytes that an archive may unpack to however small it is,
RATIO = 100  # and how many times its size it may unpack to beyond that
# What zipfile, zlib and numpy raise on damaged files.
_FAILURES = (
    *(
        OSError,
        EOFError,
        ValueError,
        KeyError,
        TypeError,
        SyntaxError,
        RuntimeError,
        NotImplementedError,
        OverflowError,
    ),
    *(MemoryError, struct.error, zlib.error, zipfile.BadZipFile, tokenize.TokenError),
)


def load_npz(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an archive.

    Raises:
        DataError: It is damaged, has a name twice, or unpacks to absurdly more than it takes on the disk.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            size = sum(member.file_size for member in archive.infolist())
        if len(set(names)) < len(names):
            raise ValueError("an array is given twice")
        if size > max(UNPACKED, RATIO * path.stat().st_size):
            raise ValueError(f"{path.stat().st_size / 1e6:.1f} MB would unpack to {size / 1e9:.1f} GB")
        with np.load(path, allow_pickle=False) as archive:
            found = {name: archive[name] for name in archive.files}
    except _FAILURES as error:
        raise _damaged(path, error) from None
    return {name: array for name, array in found.items() if isinstance(array, np.ndarray)}


def load_npy(path: Path) -> np.ndarray:
    """The array of a file, which stays on the disk until it is used.

    Raises:
        DataError: It is damaged.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except _FAILURES as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: BaseException) -> DataError:
    return DataError(
        f"cannot be read ({str(error)[:200] or type(error).__name__})", where=str(path), remedy="copy the file again"
    )
