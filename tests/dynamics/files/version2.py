"""Writes version2.traj: ``PYTHONPATH=src:tests python tests/dynamics/files/version2.py FOLDER``."""

from __future__ import annotations

import sys

import torch

from atnn.dynamics import Langevin, State, run
from dynamics.analytic import Morse, diatomics


def far(state: State) -> torch.Tensor:
    """Whether an atom is further than 3 Angstrom from the origin."""
    over = torch.zeros_like(state.step, dtype=torch.bool)
    over[state.structures.batch[state.structures.positions.norm(dim=1) > 3.0]] = True
    return over


velocities = torch.zeros(6, 3, dtype=torch.float64)
velocities[2:4, 2] = 0.8
state = State.start(diatomics(3), velocities)
generator = torch.Generator().manual_seed(0)
run(
    state, Morse(), Langevin(0.5, 300.0, 0.01), 6, trajectory=sys.argv[1], every=2, chunk=2, generator=generator,
    stops={"far": far},
)  # fmt: skip
