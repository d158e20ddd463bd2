"""Input files that are Python: lines ``name = value``, whose values are read as literals and never run."""

from __future__ import annotations

import ast
from collections.abc import Collection
from pathlib import Path
from typing import Any

from atnn.documents import read_text
from atnn.errors import SpecificationError, suggest


def read_assignments(path: Path, known: Collection[str]) -> dict[str, Any]:
    """Read the assignments of a file, one or several on a line; the last one of a name counts.

    Args:
        path: The file.
        known: Names that may be assigned.

    Raises:
        DataError: The file cannot be read.
        SpecificationError: A line is no assignment of a literal, or its name is unknown.
    """
    found: dict[str, Any] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        where = f"{path}, line {number}"
        for name, value in _parse_line(line.split("#")[0].strip(), where):
            if name not in known:
                raise SpecificationError(
                    f"unknown setting {name!r}",
                    where=where,
                    remedy=f"{suggest(name, known)}remove the line if it does not change the model",
                )
            found[name] = value
    return found


def _parse_line(text: str, where: str) -> list[tuple[str, Any]]:
    try:
        return [_read_assignment(statement) for statement in ast.parse(text).body]
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise SpecificationError(
            f"{text[:80]!r} is no assignment of a number, a text, a truth value or a list of such",
            where=where,
            remedy="write the value itself, as in `cutoff = 5.0`; nothing in the file is run",
        ) from None


def _read_assignment(statement: ast.stmt) -> tuple[str, Any]:
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        raise ValueError
    target = statement.targets[0]
    if not isinstance(target, ast.Name):
        raise ValueError
    return target.id, ast.literal_eval(statement.value)
