"""Trajectories as files that ASE, OVITO, VMD and MDAnalysis read."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write as ase_write
from ase.io.trajectory import TrajectoryWriter
from ase.units import fs, kJ, mol

from atnn.dynamics.layout import DRIVEN
from atnn.dynamics.trajectory import Trajectory
from atnn.errors import SpecificationError, suggest
from atnn.files import write_atomically
from atnn.quantities import QUANTITIES

_ROWS = 64  # frames that are in memory at once


def export_trajectory(
    trajectory: Trajectory,
    path: str | Path,
    format: str = "extxyz",
    every: int = 1,
    structures: Sequence[int] | None = None,
) -> int:
    """Write a trajectory to one file, structure after structure; returns the number of frames written.

    Args:
        trajectory: The trajectory.
        path: The file; it is there whole or not at all.
        format: ``extxyz``, ``traj`` (of ASE) or ``h5md`` (version 1.1, https://nongnu.org/h5md/h5md.html).
        every: Write every n-th frame.
        structures: Which structures; all when not given.

    Raises:
        SpecificationError: There is no such format or structure, or ``every`` is below one.
        DataError: The trajectory is damaged, or the file cannot be written.
    """
    count = len(trajectory.lengths)
    chosen = list(range(count) if structures is None else structures)
    if format not in FORMATS:
        remedy = suggest(format, FORMATS) + "there are " + ", ".join(FORMATS)
        raise SpecificationError(f"no format {format!r} of trajectories", where=str(path), remedy=remedy)
    if every < 1 or any(not 0 <= number < count for number in chosen):
        raise SpecificationError(
            f"every={every}, structures={chosen}: not in this trajectory",
            where=str(trajectory.path),
            remedy=f"give every >= 1 and structures from 0 to {count - 1}",
        )
    written = 0

    def content(temporary: Path) -> None:
        nonlocal written
        written = FORMATS[format](trajectory, temporary, every, chosen)

    write_atomically(path, content)
    return written


def _write_extxyz(trajectory: Trajectory, path: Path, every: int, chosen: list[int]) -> int:
    written = 0
    with open(path, "w") as file:
        for number in chosen:
            for frame in trajectory.frames(number, every):
                for name, values in frame.arrays.items():
                    if values.ndim > 2:  # tensors of atoms, row by row
                        frame.arrays[name] = values.reshape(len(frame), -1)
                ase_write(file, frame, format="extxyz")
                written += 1
    return written


def _write_traj(trajectory: Trajectory, path: Path, every: int, chosen: list[int]) -> int:
    written = 0
    with TrajectoryWriter(str(path), "w") as file:
        for number in chosen:
            for frame in trajectory.frames(number, every):
                values = {**frame.info, **frame.arrays}
                known = ("energy", "forces", "dipole", "charges")  # the format drops other arrays
                frame.calc = SinglePointCalculator(frame, **{k: values[k] for k in known if k in values})
                file.write(frame)
                written += 1
    return written


def _write_h5md(trajectory: Trajectory, path: Path, every: int, chosen: list[int]) -> int:
    written = 0
    with h5py.File(path, "w") as file:
        head = file.create_group("h5md")
        head.attrs["version"] = np.array([1, 1], dtype=np.int32)
        head.create_group("author").attrs["name"] = "unknown"
        head.create_group("creator").attrs.update(name="atnn", version=importlib.metadata.version("atnn"))
        for number in chosen:
            # MDAnalysis looks for the number of atoms under this name
            name = "trajectory" if len(chosen) == 1 else f"structure-{number:06d}"
            written += _write_group(file, name, trajectory, number, every)
    return written


def _write_group(file: h5py.File, name: str, trajectory: Trajectory, number: int, every: int) -> int:
    group, begin = file.create_group(f"particles/{name}"), 0
    for frames in _batches(trajectory.frames(number, every)):
        if begin == 0:
            box = group.create_group("box")
            box.attrs["dimension"] = 3
            box.attrs["boundary"] = np.array(["periodic" if p else "none" for p in frames[0].pbc], dtype="S8")
            group["species"], group["mass"] = frames[0].numbers, frames[0].get_masses()
            group["mass"].attrs["unit"] = "u"
        stride = trajectory.header["every"] * every
        steps = np.arange(begin, begin + len(frames)) * stride
        times = np.array([frame.info["time_fs"] for frame in frames])
        for place, (unit, values) in _elements(name, frames).items():
            _append(file, place, unit, steps, times, values)
        begin += len(frames)
    return begin


def _elements(name: str, frames: list[Atoms]) -> dict[str, tuple[str, np.ndarray]]:
    """Place -> unit, as MDAnalysis spells it, and values."""
    particles = f"particles/{name}"
    found = {
        f"{particles}/position": ("Angstrom", np.stack([f.positions for f in frames])),
        f"{particles}/velocity": ("Angstrom fs-1", np.stack([f.get_velocities() * fs for f in frames])),
        f"observables/{name}/energy": ("eV", np.array([f.info["energy"] for f in frames])),
    }
    if frames[0].pbc.any():
        found[f"{particles}/box/edges"] = ("Angstrom", np.stack([f.cell.array for f in frames]))
    if "forces" in frames[0].arrays:  # MDAnalysis knows no eV
        values = np.stack([f.arrays["forces"] for f in frames]) / (kJ / mol)
        found[f"{particles}/force"] = ("kJ mol-1 Angstrom-1", values)
    if "charges" in frames[0].arrays:
        found[f"{particles}/charge"] = ("e", np.stack([f.arrays["charges"] for f in frames]))
    given = {key: f"{particles}/{key}" for key in frames[0].arrays.keys() & QUANTITIES.keys() - {"forces", "charges"}}
    given |= {key: f"observables/{name}/{key}" for key in frames[0].info if key in QUANTITIES and key != "energy"}
    given |= {key: f"observables/{name}/{key}" for key in DRIVEN if key in frames[0].info}
    for key, place in given.items():
        unit = DRIVEN[key] if key in DRIVEN else QUANTITIES[key].unit
        found[place] = (_spell(unit), np.stack([f.info.get(key, f.arrays.get(key)) for f in frames]))
    return found


def _spell(unit: str) -> str:
    """A unit as the module "units" of H5MD spells it: ``e Angstrom+2 eV-1`` and the like."""
    above, _, below = unit.partition("/")
    parts = [(word, 1) for word in above.split("*")] + [(word, -1) for word in below.strip("()").split("*") if word]
    powers = [(name, sign * int(power or 1)) for word, sign in parts for name, _, power in [word.partition("^")]]
    return " ".join(name if power == 1 else f"{name}{power:+d}" for name, power in powers if name != "1")


def _append(file: h5py.File, place: str, unit: str, steps: np.ndarray, times: np.ndarray, values: np.ndarray) -> None:
    group = file.require_group(place)
    for name, rows in {"step": steps, "time": times, "value": values}.items():
        if name not in group:
            group.create_dataset(name, data=rows, maxshape=(None, *rows.shape[1:]))
        else:
            group[name].resize(len(group[name]) + len(rows), axis=0)
            group[name][-len(rows) :] = rows
    group["value"].attrs["unit"], group["time"].attrs["unit"] = unit, "fs"


def _batches(frames: Iterator[Atoms]) -> Iterator[list[Atoms]]:
    batch: list[Atoms] = []
    for frame in frames:
        batch.append(frame)
        if len(batch) == _ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


FORMATS: dict[str, Callable[[Trajectory, Path, int, list[int]], Any]] = {
    "extxyz": _write_extxyz,
    "traj": _write_traj,
    "h5md": _write_h5md,
}
