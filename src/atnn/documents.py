"""Text and JSON from files that anybody may have written: bounded in size and depth, and UTF-8 on every machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from atnn.errors import DataError

LONGEST = 64 << 20  # bytes of a document


def read_text(path: str | os.PathLike) -> str:
    """Read a text file.

    Raises:
        DataError: It cannot be read, is no UTF-8, or has more than 64 MB.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > LONGEST:
            raise DataError(
                f"has {size / 2**20:.0f} MB, which is no text of this kind", where=str(path), remedy="give another file"
            )
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(
            f"cannot be read ({error.strerror or error})", where=str(path), remedy="check the path and its permissions"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"is no UTF-8 text (byte {error.start})", where=str(path), remedy="restore an intact copy"
        ) from error


def parse_json(text: str | bytes, where: str) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        text: The document.
        where: File that it came from, for messages.

    Raises:
        DataError: It is no JSON, is nested too deeply, gives a key twice, or is not an object.
    """
    try:
        content = json.loads(text, object_pairs_hook=_unique)
    except RecursionError as error:
        raise DataError("JSON nested too deeply", where=where, remedy="restore an intact copy") from error
    except ValueError as error:  # of which JSON's errors, those of Unicode, and too long integers are kinds
        raise DataError(f"damaged JSON ({error})", where=where, remedy="restore an intact copy") from error
    if not isinstance(content, dict):
        raise DataError("the JSON holds no object with keys", where=where, remedy="restore an intact copy")
    return content


def read_json(path: str | os.PathLike) -> dict[str, Any]:
    """Read the JSON object of a file.

    Raises:
        DataError: The file cannot be read, or holds no object in JSON.
    """
    return parse_json(read_text(path), str(path))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"key {next(n for n in names if names.count(n) > 1)!r} is given twice")
    return found
