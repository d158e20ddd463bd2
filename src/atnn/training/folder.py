"""The output folder of a run: whose it is, and what a killed run left there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from atnn.errors import DataError, SpecificationError
from atnn.files import write_atomically
from atnn.training.config import RunConfig

CHECKPOINT, MODEL = "checkpoint.safetensors", "model.atnn"
# What may change between one start and the next without changing the run.
FREE: dict[str, Any] = {"training": {"epochs", "max_minutes", "checkpoint_seconds", "compile"}, "output": True}


def claim(config: RunConfig) -> None:
    """Make the folder, and remember whose it is, so that another run never mixes with its checkpoint.

    Raises:
        DataError: The folder cannot be made.
        SpecificationError: It holds a run with another configuration.
    """
    folder = Path(config.output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"the output folder cannot be made ({error.strerror})", where=str(folder), remedy="choose another `output`"
        ) from error
    path, text = folder / "config.json", config.model_dump_json(exclude=FREE, indent=1)
    if path.exists() and (folder / CHECKPOINT).exists() and path.read_text() != text:
        raise SpecificationError(
            "the folder holds a run with another configuration",
            where=str(folder),
            remedy="choose another output folder, or remove this one",
        )
    for name in (CHECKPOINT, MODEL):  # half written when a run was killed
        for torn in folder.glob(f".{name}.*.tmp"):
            torn.unlink()
    write_atomically(path, text)
