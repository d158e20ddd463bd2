"""Locks, so that two processes do not write the same results."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from atnn.errors import DataError, InUseError

logger = logging.getLogger("atnn")


@contextmanager
def hold(path: str | os.PathLike, what: str, wait: bool = False) -> Iterator[None]:
    """Hold a file or folder for this process alone.

    The operating system lets go when the process ends, however it ends, so that no lock is ever stale. The file of the
    lock, ``.NAME.lock`` beside ``NAME``, stays and names the last holder.

    Args:
        path: The file or folder; its parent must exist.
        what: What it is, for the message.
        wait: Wait until another process has let go, instead of raising an error.

    Raises:
        InUseError: Another process holds it; the message says which, where and since when.
        DataError: The lock cannot be written.
    """
    path = Path(path).absolute()  # "." has no name of its own
    lock = path.with_name(f".{path.name}.lock")
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise DataError(
            f"cannot be written ({error.strerror or error})",
            where=str(lock),
            remedy="choose a folder that exists and that you may write to",
        ) from error
    try:
        _take(handle, path, what, wait)
        yield
    finally:
        os.close(handle)


def _take(handle: int, path: Path, what: str, wait: bool) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = _describe(os.pread(handle, 4096, 0))
        if not wait:
            raise InUseError(
                f"{what} is in use by {holder}",
                where=str(path),
                remedy="wait until it has finished, or give another path",
            ) from None
        logger.info("waiting for %s, which %s holds", what, holder)
        fcntl.flock(handle, fcntl.LOCK_EX)
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:500]
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    own = {"process": os.getpid(), "host": socket.gethostname(), "since": since, "command": command}
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(own).encode(), 0)


def _describe(content: bytes) -> str:
    try:
        holder = json.loads(content)
        return f"process {holder['process']} on {holder['host']} since {holder['since']} ({holder['command']})"
    except (ValueError, KeyError, TypeError):  # it has taken the lock this moment
        return "another process"
