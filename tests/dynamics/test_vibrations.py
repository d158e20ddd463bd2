"""The fastest vibration is that of the Hessian, and time steps are held against it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase.build import molecule
from tblite.ase import TBLite

from atnn.dynamics import Langevin, State, VelocityVerlet, maxwell_boltzmann, run
from atnn.dynamics.vibrations import fastest_vibrations
from atnn.errors import DynamicsError
from atnn.observables import harmonic, relax
from atnn.structures import Structures
from atnn.units import acceleration, light_speed_cm_per_fs
from dynamics.analytic import FromAse, Morse, diatomics


def test_a_diatomic_has_the_frequency_of_the_formula():
    potential = Morse()
    state = State.start(diatomics(3))
    reduced = state.masses[0] * state.masses[1] / (state.masses[0] + state.masses[1])
    expected = (2 * potential.depth * potential.width**2 / float(reduced) * acceleration) ** 0.5
    at_rest = state.structures.positions.clone().reshape(3, 2, 3)
    axes = at_rest[:, 1] - at_rest[:, 0]
    at_rest[:, 1] = at_rest[:, 0] + potential.length * axes / axes.norm(dim=1, keepdim=True)
    state = state.replace(structures=state.structures.replace(positions=at_rest.reshape(-1, 3)))
    found = fastest_vibrations(state, potential, ("energy", "forces"))
    # A bond is stretched by at most 0.02 Angstrom, where omega differs by 3/4 of width times stretch.
    assert found.numpy() == pytest.approx(np.full(3, expected), rel=0.75 * potential.width * 0.02)


@pytest.fixture(scope="module")
def water() -> tuple[FromAse, Structures]:
    potential = FromAse(TBLite(method="GFN2-xTB", verbosity=0))
    return potential, relax(potential, Structures.from_ase(molecule("H2O")), fmax=1e-3)


def test_water_has_the_highest_of_its_normal_modes(water):
    potential, structures = water
    highest = harmonic(potential, structures).frequencies.max() * 2 * np.pi * light_speed_cm_per_fs
    found = float(fastest_vibrations(State.start(structures), potential, ("energy", "forces"))[0])
    assert found == pytest.approx(highest, rel=0.02)


def test_fixed_atoms_do_not_vibrate(water):
    potential, structures = water
    free = State.start(structures.replace(fixed=torch.tensor([True, False, True])))
    found = float(fastest_vibrations(free, potential, ("energy", "forces"))[0])
    modes = harmonic(potential, structures.replace(fixed=torch.tensor([True, False, True])))
    assert found == pytest.approx(modes.frequencies.max() * 2 * np.pi * light_speed_cm_per_fs, rel=0.02)


@pytest.mark.parametrize("timestep", [3.0, 10.0])
@pytest.mark.parametrize("thermostat", [False, True])
def test_time_steps_that_once_heated_water_to_thousands_of_kelvin_are_refused(water, timestep, thermostat):
    potential, structures = water
    generator = torch.Generator().manual_seed(0)
    state = State.start(structures, maxwell_boltzmann(structures, 300.0, generator))
    rule = Langevin(timestep, 300.0, 0.01) if thermostat else VelocityVerlet(timestep)
    with pytest.raises(DynamicsError, match="the motion is unstable"):
        run(state, potential, rule, 200, generator=generator)
