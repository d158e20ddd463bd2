"""A total energy that drifts is told from one that fluctuates by the time step."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms

from atnn.dynamics import State, VelocityVerlet, run
from atnn.dynamics.drift import find_changes, find_drifting
from atnn.errors import AtnnWarning
from atnn.structures import Structures
from atnn.units import acceleration
from dynamics.analytic import Wells

TIMES = torch.arange(400.0).double()


class Leaking(Wells):
    """Wells whose forces have a part along the velocity, which no energy has: the atoms are driven."""

    def __init__(self, rate: float):
        super().__init__()
        self.rate, self.before = rate, None

    def __call__(self, structures, outputs):
        found = super().__call__(structures, outputs)
        moved = 0.0 if self.before is None else structures.positions - self.before
        self.before = structures.positions
        found["forces"] = found["forces"] + self.rate * moved
        return found


def start(copies: int = 3) -> State:
    atoms = Structures.from_ase([Atoms("C", positions=[[0.1 * (k + 1), 0, 0]]) for k in range(copies)])
    return State.start(atoms, degrees=torch.full((copies,), 3))


@pytest.mark.parametrize("fraction", [0.02, 0.2, 0.3])
def test_verlet_does_not_drift_however_long_its_step(fraction):
    """Also at a third of 2 / omega, where the total energy fluctuates by several per cent."""
    omega = np.sqrt(Wells().constant / 12.011 * acceleration)  # 1/fs
    run(start(), Wells(), VelocityVerlet(fraction * 2 / omega), 2000, every=3, faults=())  # warnings are errors


def test_driven_atoms_are_told():
    with pytest.warns(
        AtnnWarning, match=r"energy of 3 of 3 trajectories drifts.* number 2 changes by \+\d.*meV/atom in 1 ps"
    ):
        run(start(), Leaking(0.1), VelocityVerlet(0.5), 2000, every=4, faults=())


def test_the_change_and_its_error_are_those_of_a_line():
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn((400, 2000), generator=generator, dtype=torch.float64)
    changes, errors = find_changes(0.01 * TIMES[:, None] + noise, TIMES)
    assert float(changes.mean()) == pytest.approx(3.99, abs=0.02)
    assert float(errors.mean()) == pytest.approx(float(changes.std()), rel=0.3)  # the largest over the blocks


def test_noise_does_not_drift_and_what_does_not_matter_is_not_told():
    generator = torch.Generator().manual_seed(1)
    noise = 0.02 * torch.randn((400, 500), generator=generator, dtype=torch.float64)
    kinetic, counts = torch.full((400, 500), 1.0).double(), torch.full((500,), 10)
    assert not bool(find_drifting(noise, kinetic, TIMES, counts).any())
    for change, told in ((0.03, False), (0.08, True)):  # 3 % and 8 % of the kinetic energy
        line = change * TIMES[:, None] / TIMES[-1] + 0.1 * noise
        assert bool((find_drifting(line, kinetic, TIMES, counts) == told).all())
    cold = 1e-9 * kinetic
    assert not bool(find_drifting(5e-4 * TIMES[:, None] / TIMES[-1] + 1e-3 * noise, cold, TIMES, counts).any())
