"""Trajectories as ASE ``Atoms``."""

from __future__ import annotations

from collections.abc import Mapping

from ase import Atoms
from jaxtyping import Int
from torch import Tensor

from atnn.data.matrices import join_matrix
from atnn.data.writing import state_conventions
from atnn.dynamics.layout import frame_axis
from atnn.quantities import QUANTITIES, Axis

_SHOWN = ("positions", "velocities", "times", "potential", "kinetic")  # under names of their own, or not at all


def as_atoms(
    template: Atoms, frames: Mapping[str, Tensor], index: int, rows: Mapping[Axis, Int[Tensor, " rows"]]
) -> Atoms:
    """One structure of one frame: values of its atoms under ``arrays``, all others under ``info``.

    Args:
        template: The structure at any time.
        frames: Name -> values along the frames.
        index: Which of these frames.
        rows: Rows of the structure of each axis.
    """
    from ase.units import fs as ase_fs

    frame, atoms, structure = template.copy(), rows["atom"], rows["structure"][0]
    frame.positions = frames["positions"][index][atoms].double().numpy()
    frame.set_velocities(frames["velocities"][index][atoms].double().numpy() / ase_fs)
    frame.info["time_fs"] = float(frames["times"][index])
    frame.info["energy"] = float(frames["potential"][index, structure])
    for name in frames.keys() - _SHOWN:
        axis = frame_axis(name)
        assert axis != "frame"  # which only the times have
        value = frames[name][index][rows[axis]].double()
        if axis == "atom":
            frame.arrays[name] = value.numpy()
        elif axis == "structure":
            frame.info[name] = value[0].numpy() if value.ndim > 1 else float(value[0])
        else:
            frame.info[name] = join_matrix(value.numpy(), QUANTITIES[name])
    frame.info |= state_conventions(frames.keys(), bool(frame.info.get("charge")))
    return frame
