"""Unpacking of archives, which write nothing outside their folder and do not grow without end."""

from __future__ import annotations

import lzma
import os
import shutil
import tarfile
import zlib
from pathlib import Path

from atnn.errors import DataError
from atnn.files import write_atomically
from atnn.reading.compressed import XzFile
from atnn.reading.text import EXPANSION, SMALL

_CHUNK = 1 << 20  # bytes


def unpack(path: Path) -> list[Path]:
    """Unpack an archive beside itself: a tar file to its members, an xz file of HDF5 to ``NAME.hdf5``.

    Args:
        path: A tar file, compressed in any way, or an xz file.

    Returns:
        What the folder has of it: the upmost members, or the file.

    Raises:
        DataError: It is damaged, grows too much, or has members outside its folder or of special kinds.
    """
    limit = max(SMALL, EXPANSION * path.stat().st_size)
    try:
        return [_decompress(path, limit)] if path.name.endswith(".xz") else _extract(path, limit)
    except (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"cannot be unpacked ({error})", where=str(path), remedy="get the set again") from error
    except OSError as error:
        reason = error.strerror or error
        raise DataError(
            f"cannot be unpacked ({reason})", where=str(path), remedy="free space on the disk, or get the set again"
        ) from error


def _decompress(path: Path, limit: int) -> Path:
    target = path.with_suffix(".hdf5")
    if not target.exists():
        write_atomically(target, lambda temporary: _copy(path, temporary, limit))
    return target


def _copy(path: Path, temporary: Path, limit: int) -> None:
    with open(path, "rb") as file, open(temporary, "wb") as stream:
        source = XzFile(file)
        while content := source.read(_CHUNK):
            _count(stream.tell() + len(content), limit, path)
            stream.write(content)


def _extract(path: Path, limit: int) -> list[Path]:
    """Members go to a folder of their own first, so that an interruption leaves no half of them."""
    temporary = path.with_name(f".{path.name}.unpacked")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    total = 0
    with tarfile.open(path) as archive:
        for member in archive:
            total += member.size
            _count(total, limit, path)
            if member.isfile() or member.isdir():
                archive.extract(member, temporary, filter="data")
    found = []
    for item in sorted(temporary.iterdir()):
        target = path.with_name(item.name)
        if target.is_dir():
            shutil.rmtree(target)
        os.replace(item, target)
        found.append(target)
    temporary.rmdir()
    return found


def _count(total: int, limit: int, path: Path) -> None:
    if total > limit:
        raise DataError(
            f"grows to more than {limit >> 20} MB", where=str(path), remedy="no data shrink so much: get the set again"
        )
