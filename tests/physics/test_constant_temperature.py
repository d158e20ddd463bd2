"""Langevin dynamics samples the canonical ensemble: kinetic and configurational, bound and free."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from atnn.dynamics import Langevin, State, maxwell_boltzmann, run
from atnn.dynamics.steps import step_o
from atnn.structures import Structures
from atnn.units import acceleration, boltzmann
from dynamics.analytic import Morse, Wells, single_atoms

TEMPERATURE = 300.0


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sampled(potential, integrator, *, copies: int, settle: int, steps: int, symbol: str = "C"):
    """Mean square positions [Angstrom^2] and kinetic temperature [K] of many atoms in wells."""
    state, source = State.start(single_atoms(copies, symbol)), generator()
    state = integrator.init(state, potential)
    squares, temperatures = [], []
    for step in range(settle + steps):
        state = integrator.step(state, potential, source)
        if step >= settle:
            squares.append(float(state.structures.positions.square().mean()))
            temperatures.append(float(state.temperature.mean()))
    return np.mean(squares), np.mean(temperatures)


@pytest.mark.parametrize("friction", [0.01, 0.05])
def test_every_degree_of_freedom_of_every_element_reaches_the_temperature(friction):
    """Hydrogen and chlorine, along and across the bond: k_B T / 2 for each component."""
    from ase import Atoms

    copies = 300
    structures = Structures.from_ase([Atoms("HCl", positions=[[0, 0, 0], [0, 0, 1.3]])] * copies)
    state, source = State.start(structures), generator(1)
    potential, integrator = Morse(length=1.3), Langevin(0.5, TEMPERATURE, friction)
    state = integrator.init(state, potential)
    total = torch.zeros(2, 3, dtype=torch.float64)
    settle, steps = int(4 / friction), 800
    for step in range(settle + steps):
        state = integrator.step(state, potential, source)
        if step >= settle:
            energies = state.masses[:, None] * state.velocities.square() / acceleration
            total += energies.reshape(copies, 2, 3).mean(0) / steps
    independent = copies * max(1.0, steps * 0.5 * friction)
    tolerance = 4 * np.sqrt(2 / independent) + 0.01  # and the bias of order h^2 of the fast stretch
    assert torch.allclose(
        total / boltzmann / TEMPERATURE, torch.ones(2, 3, dtype=torch.float64), atol=tolerance, rtol=0
    )
    assert state.degrees.tolist() == [6] * copies


def test_report_of_a_run_has_the_temperature_of_the_bath():
    structures = single_atoms(500)
    start = State.start(structures, maxwell_boltzmann(structures, TEMPERATURE, generator(5), remove_drift=False))
    potential, integrator, source = Wells(5.0), Langevin(1.0, TEMPERATURE, 0.02), generator(2)
    settled = run(start, potential, integrator, 300, every=300, generator=source).state
    report = run(settled, potential, integrator, 500, every=5, generator=source)
    assert "drift" not in str(report)
    assert report.temperature == pytest.approx(TEMPERATURE, rel=0.02)


def test_positions_of_an_oscillator_are_exact_at_any_timestep():
    """BAOAB: <x^2> = k_B T / k although the kinetic temperature is low by (h omega / 2)^2."""
    constant, timestep = 40.0, 4.0
    squares, temperature = sampled(
        Wells(constant), Langevin(timestep, TEMPERATURE, 0.05), copies=1000, settle=100, steps=800
    )
    mass = float(State.start(single_atoms(1)).masses[0])
    reduction = 1 - timestep**2 * constant * acceleration / mass / 4
    assert reduction < 0.9
    assert squares == pytest.approx(boltzmann * TEMPERATURE / constant, rel=0.01)
    assert temperature == pytest.approx(TEMPERATURE * reduction, rel=0.01)


def test_positions_in_an_anharmonic_well_follow_boltzmann():
    potential = Wells(1.0, quartic=400.0)
    squares, _ = sampled(potential, Langevin(1.0, TEMPERATURE, 0.05), copies=1000, settle=200, steps=800)
    x = np.linspace(-1, 1, 20001)
    weight = np.exp(-(0.5 * x**2 + 100.0 * x**4) / (boltzmann * TEMPERATURE))
    assert squares == pytest.approx(float((weight * x**2).sum() / weight.sum()), rel=0.015)


def test_free_atoms_diffuse_as_einstein_says():
    friction, steps = 0.1, 600
    start = State.start(
        single_atoms(2000), maxwell_boltzmann(single_atoms(2000), TEMPERATURE, generator(3), remove_drift=False)
    )
    report = run(start, Wells(0.0), Langevin(1.0, TEMPERATURE, friction), steps, every=steps, generator=generator(4))
    spread = float(report.state.structures.positions.square().mean())
    thermal = boltzmann * TEMPERATURE * acceleration / float(start.masses[0])
    exact = 2 * thermal / friction * (steps - (1 - np.exp(-friction * steps)) / friction)
    assert spread == pytest.approx(exact, rel=4 * np.sqrt(2 / 6000))


def test_bath_step_forgets_velocities_exponentially():
    state = State.start(single_atoms(4000), torch.full((4000, 3), 0.02, dtype=torch.float64))
    after = step_o(state, 7.0, TEMPERATURE, 0.05, generator())
    width = np.sqrt(boltzmann * TEMPERATURE * acceleration / float(state.masses[0]))
    assert float(after.velocities.mean()) == pytest.approx(0.02 * np.exp(-0.35), abs=4 * width / np.sqrt(12_000))
    assert float(after.velocities.var()) == pytest.approx(width**2 * (1 - np.exp(-0.7)), rel=0.05)


def test_without_friction_the_bath_is_not_there():
    state = State.start(single_atoms(3), torch.ones(3, 3, dtype=torch.float64))
    assert torch.equal(step_o(state, 1.0, TEMPERATURE, 0.0, generator()).velocities, state.velocities)
