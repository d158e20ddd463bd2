"""The copies of a trajectory that ran to the end, and the quantities along them that spectra are made of."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int

from atnn.dynamics import Trajectory
from atnn.errors import DataError
from atnn.model import Potential
from atnn.observables.branches import follow_branch
from atnn.observables.sampling import check_sampling
from atnn.observables.spectrum import as_array
from atnn.progress import Progress
from atnn.quantities import quantity
from atnn.structures import Structures

ATOMS_AT_ONCE = 4000  # in one call of a potential
UNEVEN = 1e-3  # of the time between two frames, by which it may change


class Sampled:
    """Quantities along the copies of one structure.

    Args:
        trajectory: The trajectory; all its structures must be copies of one. Those that ended before the run did are
            left out.
        potential: Computes the quantities that it can give anew along the frames; the trajectory's own are not read.

    Raises:
        DataError: A single frame, no copy that ran to the end, different structures in one trajectory, frames that are
            not evenly spaced, or too far apart for the fastest motion.
    """

    def __init__(self, trajectory: Trajectory, potential: Potential | None = None):
        self.trajectory, self.potential = trajectory, potential
        self.where = str(trajectory.path)
        self._whole = trajectory.whole
        if not bool(self._whole.any()):
            raise DataError(
                "all trajectories ended before the run did", where=self.where, remedy="see `Trajectory.ended`"
            )
        times = trajectory.times.double()
        if len(times) < 2 or not _are_copies(trajectory):
            raise DataError(
                "needs two frames, and copies of one structure", where=self.where, remedy="see `atnn md --copies`"
            )
        steps = times.diff()
        self.timestep = float(times[1] - times[0])
        if bool(((steps - self.timestep).abs() > UNEVEN * self.timestep + 1e-3).any()):
            raise DataError(
                f"frames are between {float(steps.min()):g} and {float(steps.max()):g} fs apart",
                where=self.where,
                remedy="spectra need frames at equal times: run with one time step",
            )
        self.frames, self.copies = len(times), int(self._whole.sum())
        self.structure: Structures = trajectory.structures(0).select([0])
        self.masses = as_array(trajectory.masses[: len(self.structure.numbers)])
        check_sampling(self.positions, self.velocities, self.masses, self.timestep, self.where)

    @property
    def degrees(self) -> int:
        """Degrees of freedom of one copy that move."""
        return int(self.trajectory.degrees[self._whole][0])

    @property
    def numbers(self) -> Int[np.ndarray, " atoms"]:
        """Atomic numbers of one copy."""
        return self.structure.numbers.cpu().numpy()

    @property
    def volume(self) -> float | None:
        """Volume of a copy that is periodic in all directions [Angstrom^3], None of others."""
        return float(np.abs(np.linalg.det(self._cell))) if bool(self.structure.pbc.all()) else None

    @cached_property
    def positions(self) -> Float[np.ndarray, "time copies atoms 3"]:
        """Positions [Angstrom]."""
        return self._per_atom("positions")

    @cached_property
    def velocities(self) -> Float[np.ndarray, "time copies atoms 3"]:
        """Velocities [Angstrom/fs]."""
        return self._per_atom("velocities")

    @cached_property
    def dipoles(self) -> Float[np.ndarray, "time copies 3"]:
        """Dipoles, without the jumps that periodic ones have [e Angstrom]."""
        return follow_branch(self._given("dipole", "dipoles"), self._cell, self.structure.pbc[0].cpu().numpy())

    @cached_property
    def polarizabilities(self) -> Float[np.ndarray, "time copies 3 3"]:
        """Polarizabilities [e^2 Angstrom^2/eV]."""
        return self._given("polarizability", "polarizabilities")

    @property
    def _cell(self) -> Float[np.ndarray, "3 3"]:
        return as_array(self.structure.cell[0])

    def _per_atom(self, name: str) -> np.ndarray:
        values = as_array(self.trajectory.read(name, structures=self._whole))
        return values.reshape(self.frames, self.copies, -1, 3)

    def _given(self, name: str, plural: str) -> np.ndarray:
        if self.potential is not None and name in self.potential.outputs:
            return self._compute(self.potential, name)
        if name in self.trajectory.quantities:
            return as_array(self.trajectory.read(name, structures=self._whole))
        words = "" if self.potential is None else ", and the model gives none"
        raise DataError(
            f"the trajectory holds no {plural}{words}",
            where=self.where,
            remedy=f"compute them along the frames with `--model` and a model trained with `outputs: [energy, {name}]`,"
            f" or run it with `atnn md --outputs {name}`",
        )

    def _compute(self, potential: Potential, name: str) -> np.ndarray:
        """Values [time, copies, ...] of a structure's quantity, many frames in one call."""
        structures = self.trajectory.structures(0).select(self._start_rows)
        together = max(1, ATOMS_AT_ONCE // len(structures.numbers))
        values: list[torch.Tensor] = []
        with Progress(f"computing the {name} along the trajectory", self.frames, unit="frame") as progress:
            for first in range(0, self.frames, together):
                positions = torch.as_tensor(self.positions[first : first + together], dtype=structures.positions.dtype)
                batch = structures.select(list(range(self.copies)) * len(positions))
                found = potential(batch.replace(positions=positions.reshape(-1, 3)), (name,))[name]
                values.append(found.detach().cpu().double())
                progress.reach(first + len(positions))
        potential.forget()
        return torch.cat(values).numpy().reshape(self.frames, self.copies, *quantity(name).shape)

    @property
    def _start_rows(self) -> list[int]:
        """Places of the copies that ran to the end among those of the first frame."""
        there = torch.nonzero(self.trajectory.lengths > 0).squeeze(1).tolist()
        return [row for row, number in enumerate(there) if bool(self._whole[number])]


def _are_copies(trajectory: Trajectory) -> bool:
    structures = trajectory.structures(0)
    counts = structures.counts
    if not bool((counts == counts[0]).all()):
        return False
    masses = trajectory.masses.reshape(-1, int(counts[0]))
    if not torch.equal(masses, masses[:1].expand_as(masses)):
        return False
    numbers = structures.numbers.reshape(len(structures), -1)
    same = numbers.eq(numbers[0]).all() and structures.pbc.eq(structures.pbc[0]).all()
    return bool(same) and torch.allclose(structures.cell, structures.cell[:1].expand_as(structures.cell))
