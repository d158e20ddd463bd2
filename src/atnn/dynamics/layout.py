"""Layout of trajectory folders: names, versions, units, and opening their files.

``name/header.json``               format, version, units, how the run was made
``name/start.safetensors``         what does not change: numbers, cell, masses, ...
``name/chunk-000000.safetensors``  frames, and the full state after the last of them with the random generator's
``name/ended.safetensors``         trajectories that ended before the run did: why, when, where they were last

Every file is written to a temporary name and renamed, so that a folder holds whole files or none; leftovers
of temporary files are ignored. Frames hold positions and velocities in float32, which is enough to look at and
to analyse; the state to resume from is kept in full precision. Frames are as wide as the batch that the run
began with; trajectories that have ended are NaN in them, and always stand in ``ended.safetensors``, which is
written before the chunk that misses them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from atnn.dynamics.state import State, axis_of
from atnn.errors import DataError
from atnn.quantities import QUANTITIES
from atnn.structures import STATED

FORMAT = "atnn-trajectory"
VERSION = 2  # 1: step and time of the batch, all trajectories in all frames
STATIC = ("numbers", "cell", "pbc", "batch", *STATED)  # of the structures
CHUNK = re.compile(r"chunk-(\d{6})\.safetensors")
_UNITS = {"positions": "Angstrom", "velocities": "Angstrom/fs", "masses": "amu", "times": "fs"}
_AXES = {"positions": "atom", "velocities": "atom", "potential": "structure", "kinetic": "structure", "times": "frame"}


def chunk_path(folder: Path, index: int) -> Path:
    """File of a chunk of frames."""
    return folder / f"chunk-{index:06d}.safetensors"


def ended_path(folder: Path) -> Path:
    """File of the trajectories that have ended."""
    return folder / "ended.safetensors"


def frame_axis(name: str) -> str:
    """What has a value each in a frame: ``atom``, ``structure``, or the whole ``frame``."""
    return _AXES.get(name) or axis_of(name)


def units(outputs: Sequence[str]) -> dict[str, str]:
    """Units of all that a trajectory with these outputs holds."""
    energy = QUANTITIES["energy"].unit
    given = {name: QUANTITIES[name].unit for name in outputs if name in QUANTITIES}
    return {**_UNITS, "potential": energy, "kinetic": energy, **given}


def fingerprint(state: State) -> str:
    """What tells the start of one run from that of another."""
    digest = hashlib.sha256()
    static: dict[str, Any] = {f.name: getattr(state.structures, f.name) for f in fields(state.structures)}
    static |= {"velocities": state.velocities, "masses": state.masses, "free": state.free}
    static |= {f"variables.{name}": value for name, value in state.variables.items()}
    for name, value in sorted(on_cpu(static).items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def on_cpu(tensors: Mapping[str, Tensor | None]) -> dict[str, Tensor]:
    """Copies in main memory of those that are there."""
    # clone: safetensors refuses tensors that share memory, and frames must not change under later steps
    return {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items() if v is not None}


def read_header(path: Path) -> dict[str, Any]:
    """The header of a trajectory folder.

    Raises:
        DataError: There is none, or it is of something else, or of a newer version.
    """
    try:
        header = json.loads((path / "header.json").read_text())
    except (OSError, ValueError) as error:
        raise DataError(
            "not a trajectory (no readable header.json)",
            where=str(path),
            remedy="give the folder that a run wrote its trajectory to",
        ) from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise DataError("header.json is not of a trajectory", where=str(path), remedy="give a trajectory folder")
    if int(header.get("version", 0)) > VERSION:
        raise DataError(
            f"written in version {header['version']} of the trajectory format; this atnn reads up to {VERSION}",
            where=str(path),
            remedy="update atnn",
        )
    return header


def load(path: Path) -> dict[str, Tensor]:
    """All tensors of a file.

    Raises:
        DataError: It is missing or damaged.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise damaged(path, error) from error


def opened(path: Path) -> Any:
    """A file whose tensors are read one by one.

    Raises:
        DataError: It is missing or damaged.
    """
    try:
        return safe_open(path, framework="pt")
    except (OSError, SafetensorError) as error:
        raise damaged(path, error) from error


def damaged(path: Path, problem: object) -> DataError:
    """The error for a file that is missing or damaged."""
    return DataError(
        f"missing or damaged ({problem})",
        where=str(path),
        remedy="restore the file from a copy, or remove this chunk and all later ones and resume the run",
    )
