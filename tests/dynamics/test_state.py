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
from dynamics.analytic import Morse, Wells
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


def filled() -> State:
    """Ethanol, a linear molecule and one atom, with all that a state can hold."""
    structures = Structures.from_ase([ethanol(), LINEAR, ATOM]).replace(charge=torch.tensor([0.0, 1.0, 2.0]).double())
    velocities = maxwell_boltzmann(structures, 300.0, generator(), remove_drift=False)
    state = State.start(structures, velocities, fixed=structures.numbers == 6)
    results = Morse()(structures, ("energy", "forces", "dipole", "charges"))
    variables = {"bath": torch.arange(3.0), "origin": structures.positions}
    step = torch.tensor([4, 5, 6])
    return state.replace(results=results, variables=variables, step=step, time=0.5 * step.double())


@pytest.mark.parametrize("chosen", [[2, 0], [1], torch.tensor([True, False, True]), slice(1, 3), np.array([2, 1])])
def test_selection_has_all_that_belongs_to_a_structure(chosen):
    state = filled()
    selected, order = state.select(chosen), torch.arange(3)[chosen].tolist()
    for row, number in enumerate(order):
        mine, there = state.structures.batch == number, selected.structures.batch == row
        assert torch.equal(selected.velocities[there], state.velocities[mine])
        assert torch.equal(selected.masses[there], state.masses[mine])
        assert torch.equal(selected.free[there], state.free[mine])
        assert torch.equal(selected.variables["origin"][there], state.structures.positions[mine])
        for name in ("forces", "charges"):
            assert torch.equal(selected.results[name][there], state.results[name][mine])
    for name in ("energy", "dipole"):
        assert torch.equal(selected.results[name], state.results[name][order])
    assert selected.step.tolist() == [4 + n for n in order] and selected.time.tolist() == [2 + n / 2 for n in order]
    assert selected.variables["bath"].tolist() == order and selected.structures.charge.tolist() == order
    assert torch.equal(selected.degrees, state.degrees[order])


def test_joined_states_are_the_whole():
    state = filled()
    joined = State.join([state.select([0]), state.select([1, 2])])
    assert torch.equal(joined.structures.positions, state.structures.positions)
    assert torch.equal(joined.free, state.free) and torch.equal(joined.step, state.step)
    for name in ("results", "variables"):
        first, second = getattr(joined, name), getattr(state, name)
        assert first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def test_joined_states_have_the_results_that_all_have():
    state = filled()
    fresh = state.select([1]).replace(results={"energy": torch.zeros(1).double()}, variables={}, free=None)
    joined = State.join([state.select([0]), fresh])
    assert joined.results.keys() == {"energy"} and joined.variables == {}
    assert bool(joined.free[9:].all()) and not bool(joined.free[:9].all())


def test_result_that_is_no_row_of_the_table_cannot_be_selected():
    state = filled().replace(results={"enthalpy": torch.zeros(3)})
    with pytest.raises(DynamicsError, match=r"'enthalpy' is no row of the table[\s\S]*QUANTITIES"):
        state.select([0])
