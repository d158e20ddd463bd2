"""A batch of which some trajectories break, each in its own way, and a potential of products and sums alone.

Elementwise operations give the same bits for a structure in any company, on any processor.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from ase import Atoms
from torch import Tensor

from atnn.dynamics import State, VelocityVerlet, closer_than, energy_jump, maxwell_boltzmann
from atnn.structures import Structures
from dynamics.analytic import WithoutMemory

NAN, JUMPING, CLOSE = 7, 42, 99  # trajectories
BROKEN = (NAN, JUMPING, CLOSE)
FAULTS = (energy_jump(0.1), closer_than(1.0, every=5))
INTEGRATOR = VelocityVerlet(0.5)


class Anchored(WithoutMemory):
    """Each atom bound to its anchor by E = k d^2 / 2 + q d^4 / 4, and NaN for neon beyond 0.3 Angstrom."""

    outputs = frozenset({"energy", "forces", "dipole", "charges"})

    def __init__(self, anchors: Tensor):
        self.anchors = anchors  # the same for every structure, [2, 3]

    def __call__(self, structures: Structures, outputs: Sequence[str]) -> dict[str, Tensor]:
        positions, batch = structures.positions, structures.batch
        d = positions - self.anchors.repeat(len(structures), 1)
        square = d * d
        forces = -5.0 * d - 20.0 * d * square
        forces = torch.where(((structures.numbers == 10)[:, None]) & (d > 0.3), float("nan"), forces)
        atomic = 2.5 * square + 5.0 * square * square
        energies = atomic[:, 0] + atomic[:, 1] + atomic[:, 2]
        charges = torch.where(structures.numbers == 8, -0.4, 0.4).to(positions)
        return {
            "energy": positions.new_zeros(len(structures)).index_add(0, batch, energies),
            "forces": forces,
            "dipole": positions.new_zeros((len(structures), 3)).index_add(0, batch, charges[:, None] * positions),
            "charges": charges,
        }


def batch(count: int = 100) -> tuple[State, Anchored]:
    """So many pairs of atoms; one of them comes to NaN, one gains energy, and in one the atoms meet."""
    anchors = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 2.0]], dtype=torch.float64)
    frames = [Atoms("NeO" if n == NAN else "CO", positions=anchors.numpy()) for n in range(count)]
    structures = Structures.from_ase(frames)
    velocities = maxwell_boltzmann(structures, 200.0, torch.Generator().manual_seed(0)).reshape(count, 2, 3)
    velocities[NAN, 0, 0] = 0.05
    velocities[JUMPING, 1] = 1.5  # too fast for the timestep in a quartic well
    velocities[CLOSE, :, 2] = torch.tensor([0.08, -0.08], dtype=torch.float64)
    return State.start(structures, velocities.reshape(-1, 3)), Anchored(anchors)
