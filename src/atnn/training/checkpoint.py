"""Checkpoints: one sealed safetensors file with the state of a run in its header, written atomically."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from atnn.archives import Archive, encode
from atnn.errors import ModelFileError
from atnn.files import write_atomically

FORMAT, VERSION = "atnn-checkpoint", 2


def save_checkpoint(path: Path, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Write a checkpoint; if the disk is full, raise a DataError and leave the old checkpoint intact."""
    write_atomically(path, encode({"format": FORMAT, "version": VERSION, **state}, tensors))


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors and the state of a checkpoint.

    Raises:
        ModelFileError: The file is damaged, is no checkpoint, or was written by a newer version.
    """
    remedy = f"remove {path.name} to restart the training, or restore an intact copy"
    archive = Archive(path, FORMAT, VERSION, 2, ModelFileError, remedy)  # hashes since version 2
    if not isinstance(archive.header.get("state"), dict):
        raise archive.damaged("the header has no state")
    return archive.tensors(), archive.header


def pack(
    parameters: Sequence[Tensor], average: Sequence[Tensor], optimizers: Sequence[torch.optim.Optimizer]
) -> dict[str, Tensor]:
    """Collect weights, averaged weights and the state of the optimizers by name."""
    tensors: dict[str, Tensor] = {f"model.{i}": p for i, p in enumerate(parameters)}
    tensors |= {f"average.{i}": p for i, p in enumerate(average)}
    for i, parameter in enumerate(parameters):
        for optimizer in optimizers:
            for name, value in optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer.{i}.{name}"] = value
    return tensors


def unpack(
    path: Path,
    tensors: dict[str, Tensor],
    parameters: Sequence[Tensor],
    average: Sequence[Tensor],
    optimizers: Sequence[torch.optim.Optimizer],
) -> None:
    """Copy packed tensors back in place; the inverse of :func:`pack`.

    Raises:
        ModelFileError: The tensors belong to a model of another shape; nothing was changed.
    """
    shapes = {f"{part}.{i}": p.shape for part in ("model", "average") for i, p in enumerate(parameters)}
    found = {name: tensor.shape for name, tensor in tensors.items() if not name.startswith("optimizer.")}
    if found != shapes:
        raise ModelFileError(
            "the checkpoint holds the weights of a model of another shape",
            where=str(path),
            remedy="continue with the version of atnn that began the run, or choose another output folder",
        )
    owners = {p: optimizer for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}
    with torch.no_grad():
        for i, (parameter, mean) in enumerate(zip(parameters, average, strict=True)):
            parameter.copy_(tensors[f"model.{i}"])
            mean.copy_(tensors[f"average.{i}"])
            prefix = f"optimizer.{i}."
            memory = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            if memory:
                state = {name: value.to(parameter.device) for name, value in memory.items()}
                owners[parameter].state[parameter] = state
