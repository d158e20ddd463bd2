"""Integrators treat every structure of a batch as if it were alone, in the right units."""

from __future__ import annotations

import pytest
import torch
from ase import units as ase_units
from ase.calculators.emt import EMT
from ase.md.verlet import VelocityVerlet as AseVelocityVerlet

from atnn.dynamics import Integrator, Langevin, State, VelocityVerlet, maxwell_boltzmann
from atnn.errors import DynamicsError
from atnn.structures import Structures
from dynamics.analytic import FromAse, Morse
from systems import ethanol, methane, slab


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


def test_a_batch_of_different_molecules_moves_as_each_alone():
    structures = Structures.from_ase([ethanol(), methane(), ethanol()])
    velocities = maxwell_boltzmann(structures, 300.0, torch.Generator().manual_seed(2))
    integrator, potential = VelocityVerlet(0.2), Morse(depth=0.5, length=2.0)
    together = advance(State.start(structures, velocities), potential, integrator, 50)
    for index in range(3):
        mine = structures.batch == index
        alone = advance(State.start(structures.select([index]), velocities[mine]), potential, integrator, 50)
        torch.testing.assert_close(together.structures.positions[mine], alone.structures.positions, atol=1e-12, rtol=0)
        torch.testing.assert_close(together.total_energy[index], alone.total_energy[0], atol=1e-12, rtol=0)


@pytest.mark.parametrize("integrator", [VelocityVerlet(0.5), Langevin(0.5, 300.0, 0.01)], ids=["verlet", "langevin"])
def test_fixed_atoms_stay_in_place(integrator):
    assert isinstance(integrator, Integrator)
    structures = Structures.from_ase([ethanol(), methane()])
    fixed = structures.numbers == 6
    state = State.start(structures, fixed=fixed)
    state = advance(state, Morse(depth=0.5, length=2.0), integrator, 10, torch.Generator().manual_seed(0))
    assert torch.equal(state.structures.positions[fixed], structures.positions[fixed])
    assert bool((state.structures.positions[~fixed] != structures.positions[~fixed]).all())


def test_langevin_repeats_itself_from_the_same_seed():
    def final(seed):
        structures = Structures.from_ase(methane())
        generator = torch.Generator().manual_seed(seed)
        return advance(State.start(structures), Morse(length=2.0), Langevin(0.5, 300.0, 0.01), 20, generator)

    assert torch.equal(final(1).structures.positions, final(1).structures.positions)
    assert not torch.equal(final(1).structures.positions, final(2).structures.positions)


def test_langevin_without_generator_says_what_to_pass():
    state = State.start(Structures.from_ase(methane()))
    with pytest.raises(DynamicsError, match=r"generator=torch\.Generator"):
        advance(state, Morse(), Langevin(0.5, 300.0, 0.01), 1)


@pytest.mark.parametrize("make", [lambda: VelocityVerlet(0.0), lambda: Langevin(0.5, -1.0, 0.1)])
def test_impossible_parameters_are_refused(make):
    with pytest.raises(DynamicsError):
        make()
