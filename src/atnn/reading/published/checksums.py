"""Checksums of files, in the ways in which they are published."""

from __future__ import annotations

import hashlib
from pathlib import Path

from atnn.errors import DataError, unreadable

ALGORITHMS = ("sha256", "md5", "git")
_CHUNK = 1 << 20  # bytes


def compute_checksum(path: Path, algorithm: str) -> str:
    """Hexadecimal digits of a file: ``sha256``, ``md5``, or ``git``, the name that git gives to its content.

    Raises:
        DataError: It cannot be read.
    """
    # md5 and SHA-1 are what is published; they are taken against accidents and not against attackers.
    digest = hashlib.new("sha1" if algorithm == "git" else algorithm, usedforsecurity=False)
    try:
        if algorithm == "git":
            digest.update(f"blob {path.stat().st_size}\0".encode())
        with open(path, "rb") as file:
            while content := file.read(_CHUNK):
                digest.update(content)
    except OSError as error:
        raise unreadable(path, error) from error
    return digest.hexdigest()


def fits(path: Path, checksum: str) -> bool:
    """Whether a file has a checksum, whose digits may be the first ones only."""
    algorithm, _, digits = checksum.partition(":")
    return compute_checksum(path, algorithm).startswith(digits)


def check(path: Path, checksum: str, remedy: str) -> None:
    """Compare a file with its checksum.

    Raises:
        DataError: It has another one.
    """
    if not fits(path, checksum):
        algorithm = checksum.partition(":")[0]
        raise DataError(
            f"has the checksum {algorithm}:{compute_checksum(path, algorithm)}, and the known one is {checksum}",
            where=str(path),
            remedy=remedy,
        )
