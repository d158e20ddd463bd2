"""The output folder of a run: to which run it belongs, and what a killed run left there."""

from __future__ import annotations

import json
import textwrap
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from atnn.documents import read_json
from atnn.errors import DataError, SpecificationError
from atnn.files import write_atomically
from atnn.locks import hold
from atnn.training.config import RunConfig

CHECKPOINT, MODEL = "checkpoint.safetensors", "model.atnn"
# What may change when a run is resumed.
CHANGEABLE: dict[str, Any] = {"training": {"epochs", "max_minutes", "checkpoint_seconds", "compile"}, "output": True}


def hold_folder(config: RunConfig) -> AbstractContextManager[None]:
    """Keep other trainings out of the folder while this one runs.

    Raises:
        DataError: The folder cannot be created.
        InUseError: Another process trains in it.
    """
    folder = Path(config.output).absolute()
    _make(folder)
    return hold(folder, "the output folder")


def claim_folder(config: RunConfig) -> None:
    """Create the folder and store the configuration in it, so that no other run uses its checkpoint.

    Raises:
        DataError: The folder cannot be created.
        SpecificationError: The folder holds a run with another configuration; the message names the keys that differ.
    """
    folder = Path(config.output)
    _make(folder)
    path, text = folder / "config.json", config.model_dump_json(exclude=CHANGEABLE, indent=1)
    if path.exists() and (folder / CHECKPOINT).exists():
        _refuse_changes(_fill_defaults(read_json(path)), json.loads(text), folder)
    for name in (CHECKPOINT, MODEL):  # left half written by a killed run
        for partial in folder.glob(f".{name}.*.tmp"):
            partial.unlink()
    write_atomically(path, text)


def _fill_defaults(before: Any) -> Any:
    """Fill in the keys that a configuration of an older version did not have yet, if it can be read at all."""
    try:
        return json.loads(RunConfig.model_validate(before).model_dump_json(exclude=CHANGEABLE))
    except (ValidationError, SpecificationError):
        return before


def _refuse_changes(before: dict[str, Any], now: dict[str, Any], folder: Path) -> None:
    if changes := _list_changes(before, now):
        raise SpecificationError(
            f"the folder holds a run with another configuration: {'; '.join(changes)}",
            where=str(folder),
            remedy="restore the value, choose another output folder, or remove this one",
        )


def _list_changes(before: Any, now: Any, path: str = "") -> list[str]:
    """Name each key that differs with both values."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [(key, f"{path}.{key}" if path else str(key)) for key in {**before, **now}]
        return [line for key, name in keys for line in _list_changes(before.get(key), now.get(key), name)]
    if before == now:
        return []
    return [f"`{path}` was {_write_value(before)}, and is now {_write_value(now)}"]


def _write_value(value: Any) -> str:
    return textwrap.shorten(json.dumps(value), 200)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"the output folder cannot be made ({error.strerror})", where=str(folder), remedy="choose another `output`"
        ) from error
