"""Checkpoints that torch wrote: dictionaries of tensors, read without running code of theirs."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from atnn.archives import hash_file
from atnn.errors import ModelFileError, unreadable

Shape = tuple[int, ...] | None
SHOWN = 4  # differences that an error lists


def read_checkpoint(path: Path, key: str, remedy: str) -> dict[str, Tensor]:
    """Read the parameters that a checkpoint holds under a key.

    Args:
        path: File of ``torch.save``.
        key: Key of the parameters.
        remedy: What to do about a file of another kind.

    Raises:
        DataError: The file cannot be read.
        ModelFileError: It is no checkpoint of tensors, or has no such parameters.
    """
    content = load_data(path, remedy)
    found = content.get(key) if isinstance(content, dict) else None
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        holds = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise ModelFileError(f"holds no parameters `{key}`, but {holds[:120]}", where=str(path), remedy=remedy)
    # Checkpoints of several processes have the name of the wrapper in front.
    return {str(name).removeprefix("module."): value for name, value in found.items()}


def load_data(path: Path, remedy: str) -> Any:
    """Load what a file of ``torch.save`` holds, if it is nothing but data.

    Args:
        path: The file.
        remedy: What to do about a file of another kind.

    Raises:
        DataError: The file cannot be read.
        ModelFileError: It is no such file, or holds more than data.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise unreadable(path, error) from error
    except Exception as error:  # torch raises errors of any kind for foreign, damaged and unsafe files
        reason = str(error).partition("\n")[0][:120]
        raise ModelFileError(f"no checkpoint of tensors ({reason})", where=str(path), remedy=remedy) from None


def describe_import(package: str, path: Path, units: Mapping[str, str]) -> dict[str, Any]:
    """Describe where an imported model is from, for its provenance.

    Args:
        package: Package that trained it.
        path: The checkpoint.
        units: Units of the data that it was trained on.
    """
    return {
        "imported": {"package": package, "file": path.name, "hash": hash_file(path)},
        "units": dict(units),
        "versions": {"atnn": importlib.metadata.version("atnn"), "torch": torch.__version__},
    }


def check_tensors(tensors: Mapping[str, Tensor], expected: Mapping[str, Shape], path: Path, remedy: str) -> None:
    """Check that a checkpoint has exactly the expected parameters.

    Args:
        tensors: The parameters.
        expected: Name -> shape; None for any shape.
        path: File, for messages.
        remedy: What to do.

    Raises:
        ModelFileError: Parameters are missing or left over, have other shapes, or are NaN or infinite.
    """
    problems = [f"missing {name}" for name in expected if name not in tensors]
    problems += [f"unexpected {name}" for name in tensors if name not in expected]
    for name, shape in expected.items():
        if shape is not None and name in tensors and tensors[name].shape != shape:
            problems.append(f"{name} has the shape {tuple(tensors[name].shape)}, expected {shape}")
    problems += [f"{name} is NaN or infinite" for name, t in tensors.items() if not bool(torch.isfinite(t).all())]
    if problems:
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        shown = "; ".join(problems[:SHOWN])
        raise ModelFileError(f"the parameters do not fit: {shown}{more}", where=str(path), remedy=remedy)
