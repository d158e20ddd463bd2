"""Integrators have the right units, and baths for each structure or atom."""

from __future__ import annotations

import pytest
import torch
from ase import units as ase_units
from ase.calculators.emt import EMT
from ase.md.verlet import VelocityVerlet as AseVelocityVerlet

from atnn.dynamics import Langevin, State, VelocityVerlet, maxwell_boltzmann
from atnn.dynamics.steps import step_o
from atnn.errors import DynamicsError
from atnn.structures import Structures
from dynamics.analytic import FromAse, Morse, diatomics
from systems import methane, slab


def advance(state, potential, integrator, steps, generator=None):
    state = integrator.init(state, potential)
    for _ in range(steps):
        state = integrator.step(state, potential, generator)
    return state


def test_velocity_verlet_follows_that_of_ase():
    atoms = slab()
    structures = Structures.from_ase(atoms)
    velocities = maxwell_boltzmann(structures, 400.0, torch.Generator().manual_seed(1))
    atoms.calc = EMT()
    atoms.set_velocities(velocities.numpy() / ase_units.fs)
    atoms.set_masses(State.start(structures).masses.numpy())
    state = advance(State.start(structures, velocities), FromAse(EMT()), VelocityVerlet(1.0), 20)
    AseVelocityVerlet(atoms, 1.0 * ase_units.fs).run(20)
    # the constants of ASE (CODATA 2014) differ from ours (2018) by 1e-7 in energy
    torch.testing.assert_close(state.structures.positions, torch.as_tensor(atoms.positions), atol=2e-6, rtol=0)
    assert (state.step.tolist(), state.time.tolist()) == ([20], [20.0])


@pytest.mark.parametrize("spread", [lambda s: s, lambda s: s.repeat_interleave(2)], ids=["structures", "atoms"])
def test_bath_of_each_structure_or_atom_is_that_of_all_where_they_are_equal(spread):
    state = State.start(diatomics(3))
    equal = spread(torch.full((3,), 300.0))
    one = advance(state, Morse(), Langevin(0.5, 300.0, 0.02), 5, torch.Generator().manual_seed(0))
    each = advance(state, Morse(), Langevin(0.5, equal, equal / 15000), 5, torch.Generator().manual_seed(0))
    torch.testing.assert_close(each.structures.positions, one.structures.positions, atol=1e-6, rtol=0)


def test_each_structure_feels_its_own_bath():
    state = State.start(diatomics(3), torch.full((6, 3), 0.01, dtype=torch.float64))
    friction = torch.tensor([0.0, 0.1, 100.0], dtype=torch.float64)
    after = step_o(state, 2.0, torch.zeros(6), friction, torch.Generator())
    factor = after.velocities[::2, 0] / 0.01
    torch.testing.assert_close(factor, torch.exp(-2.0 * friction))


def test_bath_of_another_length_is_refused():
    with pytest.raises(DynamicsError, match=r"shape \(4,\) for 3 structures of 6 atoms"):
        advance(State.start(diatomics(3)), Morse(), Langevin(0.5, torch.ones(4), 0.1), 0)


def test_langevin_without_generator_says_what_to_pass():
    state = State.start(Structures.from_ase(methane()))
    with pytest.raises(DynamicsError, match=r"generator=torch\.Generator"):
        advance(state, Morse(), Langevin(0.5, 300.0, 0.01), 1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: VelocityVerlet(0.0),
        lambda: Langevin(0.5, -1.0, 0.1),
        lambda: Langevin(0.5, torch.tensor([1.0, -1.0]), 0.1),
    ],
)
def test_impossible_parameters_are_refused(make):
    with pytest.raises(DynamicsError):
        make()
