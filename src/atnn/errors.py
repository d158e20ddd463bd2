"""The exceptions of the package, which say what went wrong, where, and what to do about it."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable


class AtnnError(Exception):
    """Base of every error that atnn raises on purpose.

    Args:
        what: The problem, in one sentence.
        where: File, frame, key or atom concerned.
        remedy: What the user can do.
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = ""):
        self.what, self.where, self.remedy = what, where, remedy
        parts = [f"{where}: {what}" if where else what]
        if remedy:
            parts.append(f"-> {remedy}")
        super().__init__("\n".join(parts))


class DataError(AtnnError):
    """Structures or labels that cannot be used."""


class SpecificationError(AtnnError):
    """A configuration or model specification that cannot work."""


class LabellingError(AtnnError):
    """An electronic-structure calculation that failed or did not converge."""


class ModelFileError(AtnnError):
    """A model file that is truncated, foreign, corrupted or too new."""


class DynamicsError(AtnnError):
    """A simulation that left the range where its results are meaningful."""


def unreadable(path: str | os.PathLike, error: OSError) -> DataError:
    """Make the error for a file that the operating system does not give."""
    return DataError(
        f"cannot be read ({error.strerror or error})", where=str(path), remedy="check the path and its permissions"
    )


class InUseError(AtnnError):
    """A file or folder that another process is writing."""


class AtnnWarning(UserWarning):
    """A problem that the user should know about but that does not stop the work."""


def suggest(name: object, known: Iterable[str]) -> str:
    """Write which known name an unknown one may stand for, whatever its case.

    >>> suggest("Langevim", ["verlet", "langevin"]), suggest("zzz", ["verlet", "langevin"])
    ('did you mean `langevin`? ', '')
    """
    spelled = {word.lower(): word for word in known}
    near = difflib.get_close_matches(str(name)[:100].lower(), spelled, n=1, cutoff=0.5)
    return f"did you mean `{spelled[near[0]]}`? " if near else ""
