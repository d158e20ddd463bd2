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

From version 3 on every tensor and every header carries a hash, and files name the run that they are of, so that what
was damaged or put there from elsewhere is refused. The first ``unsealed`` chunks of a run that an older version began
carry none.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from atnn.archives import Archive, hash_file
from atnn.documents import parse_json, read_json
from atnn.dynamics.state import State, axis_of
from atnn.errors import DataError
from atnn.quantities import QUANTITIES, Axis
from atnn.stated import STATED

FORMAT = "atnn-trajectory"
VERSION = 3  # 1: step and time of the batch, all trajectories in all frames; 2: without hashes and potential
SEALED = 3  # first version with hashes
STATIC = ("numbers", "cell", "pbc", "batch", "adsorbate", *STATED)  # of the structures
CHUNK = re.compile(r"chunk-(\d{6})\.safetensors")
REMEDY = "restore the file from a copy, or remove this chunk and all later ones and resume the run"
_UNITS = {"positions": "Angstrom", "velocities": "Angstrom/fs", "masses": "amu", "times": "fs"}
DRIVEN = {"electric_field": "V/Angstrom", "field_work": "eV"}  # of structures, where a field depends on time
_AXES: dict[str, Axis | Literal["frame"]] = {
    "positions": "atom",
    "velocities": "atom",
    "potential": "structure",
    "kinetic": "structure",
    "times": "frame",
    **dict.fromkeys(DRIVEN, "structure"),
}


def chunk_path(folder: Path, index: int) -> Path:
    """File of a chunk of frames."""
    return folder / f"chunk-{index:06d}.safetensors"


def ended_path(folder: Path) -> Path:
    """File of the trajectories that have ended."""
    return folder / "ended.safetensors"


def frame_axis(name: str) -> Axis | Literal["frame"]:
    """What has a value each in a frame: an axis of the table of quantities, or the whole ``frame``."""
    return _AXES.get(name) or axis_of(name)


def units(outputs: Sequence[str], driven: bool = False) -> dict[str, str]:
    """Units of all that a trajectory with these outputs holds, in an electric field that depends on time or not."""
    energy = QUANTITIES["energy"].unit
    given = {name: QUANTITIES[name].unit for name in outputs if name in QUANTITIES}
    return {**_UNITS, "potential": energy, "kinetic": energy, **given, **(DRIVEN if driven else {})}


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


def seal(header: Mapping[str, Any]) -> str:
    """Hash of a header."""
    words = json.dumps({name: value for name, value in header.items() if name != "seal"}, sort_keys=True)
    return hashlib.blake2b(words.encode(), digest_size=16).hexdigest()


def read_header(path: Path) -> dict[str, Any]:
    """The header of a trajectory folder.

    Raises:
        DataError: There is none, or it is of something else, damaged, or of a newer version.
    """
    file = path / "header.json"
    if not file.is_file():
        raise DataError(
            "not a trajectory (no header.json)",
            where=str(path),
            remedy="give the folder that a run wrote its trajectory to",
        )
    header = read_json(file)
    if header.get("format") != FORMAT:
        raise DataError("header.json is not of a trajectory", where=str(path), remedy="give a trajectory folder")
    version = header.get("version")
    if type(version) is not int or version < 1:
        raise damaged(file, f"version {version!r} is no version")
    if version > VERSION:
        raise DataError(
            f"written in version {version} of the trajectory format; this atnn reads up to {VERSION}",
            where=str(path),
            remedy="update atnn",
        )
    if header.get("seal", "") != (seal(header) if version >= SEALED else ""):
        raise damaged(file, "it is not what was written")
    kinds = {"start": str, "every": int, "chunk": int, "outputs": list, "integrator": dict}
    for name, kind in kinds.items():
        if not isinstance(header.get(name), kind):
            raise damaged(file, f"{name} is {header.get(name)!r}")
    return header


class Unsealed(Archive):
    """A file of version 1 or 2, which carries no hashes."""

    def _check(self, metadata: Mapping[str, str], format: str, newest: int, sealed: int) -> None:
        self._hashes = None
        if "atnn" not in metadata:  # a kill may have left a file of the new version beside the old header
            words = metadata.get("ended", "[]")
            self.header = parse_json(f'{{"ended": {words}}}', str(self.path))


def open_part(path: Path, header: Mapping[str, Any]) -> Archive:
    """A file of a trajectory, whose tensors are read one by one.

    Args:
        path: The file.
        header: Header of the trajectory.

    Raises:
        DataError: The file is missing, damaged, or of another run.
    """
    number = CHUNK.fullmatch(path.name)
    old = header["version"] < SEALED or (number is not None and int(number[1]) < header.get("unsealed", 0))
    kind = Unsealed if old else Archive
    archive = kind(path, FORMAT, VERSION, SEALED, DataError, REMEDY)
    if not old and (archive.header.get("start"), archive.header.get("part")) != (header["start"], path.stem):
        raise damaged(path, "it is a part of another trajectory")
    return archive


def part_header(start: str, path: Path) -> dict[str, Any]:
    """Header of a file of a trajectory."""
    return {"format": FORMAT, "version": VERSION, "start": start, "part": path.stem}


def check_shapes(archive: Archive, shapes: Mapping[str, tuple[int | None, ...]]) -> None:
    """Compare the shapes of tensors with what they must be.

    Args:
        archive: The file.
        shapes: Name -> lengths of the first axes; None for any length.

    Raises:
        DataError: A tensor is missing or has another shape.
    """
    for name, expected in shapes.items():
        if name not in archive.names:
            raise archive.damaged(f"there is no {name}")
        shape = archive.shape(name)
        axes = shape[: len(expected)]
        if len(axes) < len(expected) or any(e not in (None, n) for e, n in zip(expected, axes, strict=True)):
            raise archive.damaged(f"{name} has the shape {shape}")


def hash_folder(folder: Path) -> str:
    """Hash of a trajectory, from those that its files carry."""
    header = read_header(folder)
    paths = [path for path in (folder / "start.safetensors", ended_path(folder)) if path.exists()]
    paths += sorted(path for path in folder.iterdir() if CHUNK.fullmatch(path.name))
    seals = [f"{path.name} {open_part(path, header).seal or hash_file(path)}" for path in paths]
    return hashlib.blake2b("\n".join([seal(header), *seals]).encode(), digest_size=16).hexdigest()


def damaged(path: Path, problem: object) -> DataError:
    """The error for a file that is missing or damaged."""
    return DataError(f"truncated or corrupted: {problem}", where=str(path), remedy=REMEDY)
