"""Results kept in a JSON file beside a script, so that a run that was stopped or is repeated computes none again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from atnn.files import write_atomically


def read_kept(path: Path) -> dict[str, Any]:
    """Results of earlier calls, on whatever machine."""
    return json.loads(path.read_text()) if path.exists() else {}


def keep(path: Path, key: str, compute: Callable[[], Any]) -> Any:
    """The result under a key, computed and added to the file if it is not there."""
    if key not in read_kept(path):
        result = compute()
        # Read again, because another run may have written meanwhile.
        write_atomically(path, json.dumps(read_kept(path) | {key: result}, indent=1) + "\n")
    return read_kept(path)[key]
