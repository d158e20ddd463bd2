"""Temperatures and degrees of freedom are counted as equipartition wants them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from ase.units import fs as ase_fs

from atnn.dynamics import State, maxwell_boltzmann, update_results
from atnn.errors import DynamicsError
from atnn.structures import Structures
from dynamics.analytic import Wells
from systems import crystal, ethanol, methane, single_atom

LINEAR, BENT, ATOM = molecule("CO2"), molecule("H2O"), single_atom()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("atoms", "free", "still", "not_turning"),
    [(BENT, 9, 6, 3), (LINEAR, 9, 6, 4), (ATOM, 3, 0, 0), (crystal(), 12, 9, 9)],
    ids=["bent", "linear", "atom", "crystal"],
)
def test_momenta_that_stay_zero_are_no_degrees_of_freedom(atoms, free, still, not_turning):
    structures = Structures.from_ase(atoms)
    for expected, drift, rotation in [(free, False, False), (still, True, False), (not_turning, True, True)]:
        velocities = maxwell_boltzmann(structures, 300.0, generator(), remove_drift=drift, remove_rotation=rotation)
        assert State.start(structures, velocities).degrees.tolist() == [expected]


def test_momenta_count_also_in_single_precision():
    structures = Structures.from_ase(ethanol(), dtype=torch.float32)
    velocities = maxwell_boltzmann(structures, 300.0, generator(), remove_rotation=True)
    assert State.start(structures, velocities).degrees.tolist() == [27 - 6]


def test_removed_momenta_vanish_in_each_structure_of_a_batch():
    structures = Structures.from_ase([ethanol(), methane(), LINEAR])
    velocities = maxwell_boltzmann(structures, 300.0, generator(), remove_rotation=True)
    for index, atoms in enumerate(structures.to_ase()):
        atoms.set_velocities(velocities[structures.batch == index].numpy() / ase_fs)
        assert abs(atoms.get_momenta().sum(0)).max() < 1e-10
        assert abs(atoms.get_angular_momentum()).max() < 1e-10


def test_temperature_is_that_of_ase():
    atoms = ethanol()
    atoms.set_momenta(np.random.default_rng(0).normal(size=(9, 3)))
    velocities = torch.as_tensor(atoms.get_velocities() * ase_fs)
    state = State.start(Structures.from_ase(atoms), velocities)
    assert float(state.kinetic_energy) == pytest.approx(atoms.get_kinetic_energy(), rel=1e-6)  # CODATA 2018, 2014
    assert float(state.temperature) == pytest.approx(atoms.get_temperature(), rel=1e-6)


@pytest.mark.parametrize("rotation", [False, True])
def test_mean_temperature_needs_no_rescaling_after_removal(rotation):
    structures = Structures.from_ase([BENT] * 4000)
    velocities = maxwell_boltzmann(structures, 500.0, generator(), remove_rotation=rotation)
    state = State.start(structures, velocities)
    degrees = 3 if rotation else 6
    error = 500.0 * (2 / (degrees * 4000)) ** 0.5
    assert abs(float(state.temperature.mean()) - 500.0) < 3 * error


def test_exact_temperature_is_exact_in_each_structure():
    structures = Structures.from_ase([ethanol(), LINEAR, BENT])
    velocities = maxwell_boltzmann(structures, 250.0, generator(), remove_rotation=True, exact=True)
    temperature = State.start(structures, velocities).temperature
    torch.testing.assert_close(temperature, torch.full((3,), 250.0, dtype=torch.float64))


def test_velocities_come_from_the_generator_alone():
    structures = Structures.from_ase(ethanol())
    assert torch.equal(
        maxwell_boltzmann(structures, 300.0, generator(4)), maxwell_boltzmann(structures, 300.0, generator(4))
    )
    assert not torch.equal(
        maxwell_boltzmann(structures, 300.0, generator(4)), maxwell_boltzmann(structures, 300.0, generator(5))
    )


def test_fixed_atoms_have_no_velocity_and_no_degrees():
    structures = Structures.from_ase(ethanol())
    fixed = structures.numbers == 6
    velocities = maxwell_boltzmann(structures, 300.0, generator(), fixed=fixed, exact=True)
    state = State.start(structures, velocities, fixed=fixed)
    assert bool((state.velocities[fixed] == 0).all())
    assert state.degrees.tolist() == [3 * 7]
    assert float(state.temperature) == pytest.approx(300.0)


def test_an_output_that_the_potential_lacks_is_named():
    state = State.start(Structures.from_ase(Atoms("H", positions=[[0, 0, 0]])))
    with pytest.raises(DynamicsError, match="does not give polarizability"):
        update_results(state, Wells(), {"energy"}, ("polarizability",))
