"""Velocity Verlet has the order, the symmetry and the constants of motion that theory gives it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from atnn.dynamics import State, VelocityVerlet, maxwell_boltzmann, run
from atnn.dynamics.degrees import inertia_tensors, sum_atoms
from atnn.structures import Structures
from atnn.units import acceleration
from dynamics.analytic import Morse, Wells, diatomics, single_atoms
from systems import ethanol


def moving(temperature: float = 600.0) -> State:
    structures = diatomics(8, "NO", 1.1)
    velocities = maxwell_boltzmann(structures, temperature, torch.Generator().manual_seed(0))
    return State.start(structures, velocities)


def test_energy_error_is_proportional_to_the_square_of_the_timestep():
    timesteps, errors = [1.6, 0.8, 0.4, 0.2], []
    for timestep in timesteps:
        report = run(moving(), Morse(), VelocityVerlet(timestep), int(160 / timestep))
        total = report.series["potential"] + report.series["kinetic"]
        errors.append(float((total - total[0]).abs().max(0).values.mean()))
    slope = np.polyfit(np.log(timesteps), np.log(errors), 1)[0]
    assert slope == pytest.approx(2.0, abs=0.1)


def test_positions_converge_with_order_two():
    def final(timestep):
        return run(moving(), Morse(), VelocityVerlet(timestep), round(16 / timestep)).state.structures.positions

    exact = final(0.02)
    timesteps = [0.8, 0.4, 0.2]
    errors = [float((final(h) - exact).abs().max()) for h in timesteps]
    order = np.polyfit(np.log(timesteps), np.log(errors), 1)[0]
    assert order == pytest.approx(2.0, abs=0.1)


def test_oscillator_follows_the_exact_solution():
    structures = single_atoms(1)
    start = torch.tensor([[0.1, -0.2, 0.3]], dtype=torch.float64)
    state = State.start(structures.replace(positions=start))
    omega = float(torch.sqrt(5.0 * acceleration / state.masses[0]))
    report = run(state, Wells(5.0), VelocityVerlet(0.05), 800, every=800)
    exact = start * np.cos(omega * 40.0)
    torch.testing.assert_close(report.state.structures.positions, exact, atol=5e-5, rtol=0)


def test_turning_the_velocities_around_leads_back():
    start = moving()
    there = run(start, Morse(), VelocityVerlet(0.5), 400).state
    back = run(there.replace(velocities=-there.velocities), Morse(), VelocityVerlet(0.5), 400).state
    torch.testing.assert_close(back.structures.positions, start.structures.positions, atol=1e-9, rtol=0)
    torch.testing.assert_close(-back.velocities, start.velocities, atol=1e-9, rtol=0)


def test_momenta_are_conserved_in_each_structure():
    structures = Structures.from_ase([ethanol()] * 2)
    velocities = maxwell_boltzmann(structures, 200.0, torch.Generator().manual_seed(1), remove_drift=False)
    start = State.start(structures, velocities)
    end = run(start, Morse(depth=0.1, length=2.0, width=1.0), VelocityVerlet(0.5), 200).state

    def momenta(state):
        arms, _ = inertia_tensors(state.structures, state.masses)
        linear = state.masses[:, None] * state.velocities
        angular = sum_atoms(state.structures, torch.linalg.cross(arms, linear))
        return sum_atoms(state.structures, linear), angular

    for before, after in zip(momenta(start), momenta(end), strict=True):
        assert float(before.abs().max()) > 0.01
        torch.testing.assert_close(after, before, atol=1e-11, rtol=0)


def test_energy_does_not_drift():
    report = run(moving(), Morse(), VelocityVerlet(0.5), 3000, every=10)
    assert report.drift_worst < 1e-4  # eV/atom/ps


def test_temperature_of_oscillators_is_half_of_that_they_start_with():
    """From the minimum, half of the kinetic energy goes into the springs (virial theorem)."""
    structures = single_atoms(400)
    velocities = maxwell_boltzmann(structures, 600.0, torch.Generator().manual_seed(3), remove_drift=False, exact=True)
    report = run(State.start(structures, velocities), Wells(5.0), VelocityVerlet(0.5), 2000, every=5)
    assert report.temperature == pytest.approx(300.0, rel=0.01)
