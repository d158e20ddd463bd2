"""Trajectories as ASE ``Atoms``."""

from __future__ import annotations

from collections.abc import Mapping

from ase import Atoms
from jaxtyping import Int
from torch import Tensor

from atnn.dynamics.layout import frame_axis

_SHOWN = ("positions", "velocities", "times", "potential", "kinetic")  # under names of their own, or not at all


def as_atoms(
    template: Atoms, frames: Mapping[str, Tensor], index: int, structure: int, atoms: Int[Tensor, " chosen"]
) -> Atoms:
    """One structure of one frame: values of the structure under ``info``, those of its atoms under ``arrays``.

    Args:
        template: The structure at any time.
        frames: Name -> values along the frames.
        index: Which of these frames.
        structure: Number of the structure.
        atoms: Indices of its atoms.
    """
    from ase.units import fs as ase_fs

    frame = template.copy()
    frame.positions = frames["positions"][index][atoms].double().numpy()
    frame.set_velocities(frames["velocities"][index][atoms].double().numpy() / ase_fs)
    frame.info["time_fs"] = float(frames["times"][index])
    frame.info["energy"] = float(frames["potential"][index, structure])
    for name in frames.keys() - _SHOWN:
        if frame_axis(name) == "atom":
            frame.arrays[name] = frames[name][index][atoms].double().numpy()
        else:
            value = frames[name][index, structure].double()
            frame.info[name] = value.numpy() if value.ndim else float(value)
    return frame
