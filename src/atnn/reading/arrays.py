"""Numpy's files, whose sizes are looked at before anything is loaded."""

from __future__ import annotations

import math
import os
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from atnn.errors import DataError

# What numpy and zipfile raise for damaged files.
_FAILURES = (
    ValueError, OSError, EOFError, TypeError, KeyError, IndexError, SyntaxError, OverflowError, MemoryError,
    NotImplementedError, RuntimeError, AttributeError, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
    struct.error,
)  # fmt: skip
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def load_npy(path: Path) -> np.ndarray:
    """An array of numbers, mapped and not loaded.

    Raises:
        DataError: The file is damaged or holds no numbers.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except _FAILURES as error:
        raise _damaged(error, path) from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise DataError("holds no array of real numbers", where=str(path), remedy="write numbers")
    return array


def load_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an archive.

    Raises:
        DataError: The archive is damaged, or an array is larger than the file says or than the memory.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [member.filename for member in archive.infolist()]
            if len(set(names)) < len(names):
                raise DataError("an array is there twice", where=str(path), remedy="write the file anew")
            found = {}
            for member in archive.infolist():
                with archive.open(member) as stream:
                    found[member.filename.removesuffix(".npy")] = _load_member(stream, member, path)
    except _FAILURES as error:
        raise _damaged(error, path) from None
    return found


def _load_member(stream: Any, member: zipfile.ZipInfo, path: Path) -> np.ndarray:
    version = npy.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"version {version} of {member.filename}")
    shape, transposed, kind = _HEADERS[version](stream)
    if kind.hasobject:
        raise ValueError("Python objects are never loaded")
    size = math.prod(shape) * kind.itemsize
    if size > member.file_size:
        raise ValueError(f"{member.filename} of shape {shape} has {member.file_size} bytes")
    if size > os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
        raise DataError(
            f"{member.filename} of shape {shape} is larger than the memory of this machine",
            where=str(path),
            remedy="check the file, or convert it in parts",
        )
    content = stream.read(size)
    if len(content) < size or stream.read():  # reading to the end compares the checksum
        raise ValueError(f"{member.filename} does not have the {size} bytes of its shape {shape}")
    return np.frombuffer(bytearray(content), dtype=kind).reshape(shape, order="F" if transposed else "C")


def _damaged(error: Exception, path: Path) -> DataError:
    words = str(error).splitlines()
    return DataError(
        f"cannot be read ({words[0] if words else type(error).__name__})", where=str(path), remedy="copy the file again"
    )
