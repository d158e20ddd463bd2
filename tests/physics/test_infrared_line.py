"""From dynamics to spectrum: the line of a diatomic molecule is where and as strong as its normal mode."""

from __future__ import annotations

import pytest
import torch

from atnn.dynamics import State, Trajectory, VelocityVerlet, maxwell_boltzmann, run
from atnn.observables import harmonic, infrared, power_spectrum
from dynamics.analytic import Morse, diatomics


def test_line_of_a_diatomic_has_the_harmonic_position_and_intensity(tmp_path):
    potential, temperature = Morse(), 20.0
    structures = diatomics(4, "NO", potential.length)
    velocities = maxwell_boltzmann(
        structures,
        2 * temperature,  # half of it goes into the bond
        torch.Generator().manual_seed(0),
        remove_rotation=True,
        exact=True,
    )
    state = State.start(structures, velocities)
    assert state.degrees.tolist() == [1] * 4
    run(state, potential, VelocityVerlet(0.25), 6000, every=8, trajectory=tmp_path / "a.traj", chunk=200)
    trajectory = Trajectory(tmp_path / "a.traj")
    timestep = float(trajectory.times[1])
    spectrum = infrared(trajectory.dipoles, timestep, temperature, resolution=40.0)
    mode = harmonic(potential, structures.select([0]))
    # the Verlet frequency is high by (omega h)^2 / 24, the anharmonic one low by k_B T / 2 D
    assert spectrum.peak() == pytest.approx(mode.frequencies[0], abs=2.0)
    assert spectrum.integral() == pytest.approx(mode.intensities[0], rel=0.01)
    assert timestep == 2.0
    states = power_spectrum(
        trajectory.read("velocities").reshape(-1, 4, 2, 3),
        trajectory.masses[:2],
        timestep,
        temperature,
        resolution=40.0,
    )
    assert states.peak() == pytest.approx(spectrum.peak(), abs=0.5)
    assert states.integral() == pytest.approx(1.0, rel=0.01)
