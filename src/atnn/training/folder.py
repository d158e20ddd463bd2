"""The output folder of a run: to which run it belongs, and what a killed run left there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from atnn.errors import DataError, SpecificationError
from atnn.files import write_atomically
from atnn.training.config import RunConfig

CHECKPOINT, MODEL = "checkpoint.safetensors", "model.atnn"
# What may change when a run is resumed.
CHANGEABLE: dict[str, Any] = {"training": {"epochs", "max_minutes", "checkpoint_seconds", "compile"}, "output": True}


def claim_folder(config: RunConfig) -> None:
    """Create the folder and store the configuration in it, so that no other run uses its checkpoint.

    Raises:
        DataError: The folder cannot be created.
        SpecificationError: The folder holds a run with another configuration.
    """
    folder = Path(config.output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"the output folder cannot be made ({error.strerror})", where=str(folder), remedy="choose another `output`"
        ) from error
    path, text = folder / "config.json", config.model_dump_json(exclude=CHANGEABLE, indent=1)
    if path.exists() and (folder / CHECKPOINT).exists() and path.read_text() != text:
        raise SpecificationError(
            "the folder holds a run with another configuration",
            where=str(folder),
            remedy="choose another output folder, or remove this one",
        )
    for name in (CHECKPOINT, MODEL):  # left half written by a killed run
        for partial in folder.glob(f".{name}.*.tmp"):
            partial.unlink()
    write_atomically(path, text)
