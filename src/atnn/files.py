"""Files are written so that a crash at any moment leaves the old file or the new one, never a torn one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from atnn.errors import DataError


def write_atomically(path: str | os.PathLike, content: bytes | str | Callable[[Path], None]) -> Path:
    """Write a temporary file in the same folder, and rename it when it is safe on disk.

    Args:
        path: The file to write; its folder must exist.
        content: Bytes, text (encoded as UTF-8), or a function that writes the file at a given path.

    Returns:
        The path of the finished file.

    Raises:
        DataError: The disk is full or the folder cannot be written; the old file is unchanged.
    """
    target = Path(path)
    temporary = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
        temporary = Path(name)
        os.close(handle)
        if callable(content):
            content(temporary)
        else:
            temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        _make_readable(temporary, target)
        flush(temporary)
        os.replace(temporary, target)
        temporary = None
        flush(target.parent)
    except OSError as error:
        raise DataError(
            f"cannot be written ({error.strerror or error})",
            where=str(target),
            remedy="free space on the disk or choose a folder that you may write to; "
            + ("the old file is intact" if target.exists() else "nothing was left behind"),
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return target


def _make_readable(temporary: Path, target: Path) -> None:
    # mkstemp makes files that only the owner can read. The target keeps its mode, or gets the default mode.
    if target.exists():
        mode = target.stat().st_mode & 0o777
    else:
        mask = os.umask(0)
        os.umask(mask)
        mode = 0o666 & ~mask
    os.chmod(temporary, mode)


def flush(path: Path) -> None:
    """Wait until a file or folder is safe on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
