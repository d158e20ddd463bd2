"""Records of results: what made them, so that they are not replaced unseen by those of something else."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from atnn.documents import read_json
from atnn.errors import DataError
from atnn.files import write_atomically

VERSION = 1


def write_record(path: Path, format: str, origin: Mapping[str, str], content: Mapping[str, Any]) -> Path:
    """Write one JSON object: format, version and atnn's version, the hashes of what made the result, and more.

    Args:
        path: The file.
        format: Kind of the result.
        origin: Name -> hash of what it was made of.
        content: What else is to be told.

    Raises:
        DataError: The file cannot be written; an existing one is unchanged.
    """
    head = {"format": format, "version": VERSION, "atnn": importlib.metadata.version("atnn"), "origin": dict(origin)}
    return write_atomically(path, json.dumps({**head, **content}, allow_nan=False, indent=1) + "\n")


def refuse_other(path: Path, format: str, origin: Mapping[str, str]) -> None:
    """Refuse to replace the record of a result that something else made.

    Args:
        path: The file to be written.
        format: Kind of the new result.
        origin: Name -> hash of that in which the old result and the new one must agree.

    Raises:
        DataError: There is a file that is no such record, or one of another origin, which is named.
    """
    if not path.exists():
        return
    remedy = "choose another --output, or remove this file"
    found = read_json(path)
    made_of = found.get("origin")
    if found.get("format") != format or not isinstance(made_of, dict):
        raise DataError(f"would be replaced, and is not of the kind {format}", where=str(path), remedy=remedy)
    other = [f"{name} {made_of.get(name)}, not {hash}" for name, hash in origin.items() if made_of.get(name) != hash]
    if other:
        raise DataError(f"holds the result of another origin ({'; '.join(other)})", where=str(path), remedy=remedy)
