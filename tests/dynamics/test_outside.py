"""An integrator and a condition that the package has never heard of run the whole way."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from atnn.dynamics import Integrator, State, Trajectory, maxwell_boltzmann, run
from atnn.structures import Structures
from dynamics.analytic import Morse, Wells, diatomics, single_atoms
from dynamics.outside import NoseHoover
from systems import ethanol


def gone(state: State):
    """Whether each structure is one in which an atom is 4 Angstrom away from where it was."""
    moved = (state.structures.positions - state.variables["origin"]).norm(dim=1) > 4.0
    over = torch.zeros_like(state.step, dtype=torch.bool)
    over[state.structures.batch[moved]] = True
    return over


def go(folder, steps: int):
    structures = diatomics(5)
    velocities = maxwell_boltzmann(structures, 300.0, torch.Generator().manual_seed(4), remove_drift=False)
    velocities[4:6] += 0.1  # the third flies away
    state = State.start(structures, velocities)
    state = state.replace(variables={"origin": structures.positions})
    integrator = NoseHoover(0.4, 1000.0, 500.0)
    return run(state, Morse(), integrator, steps, trajectory=folder, every=3, chunk=4, stops={"away": gone})


def test_integrator_and_condition_of_ones_own_run_resume_and_are_written(tmp_path):
    assert isinstance(NoseHoover(0.5, 300.0, 20.0), Integrator)
    whole = go(tmp_path / "whole", 120)
    go(tmp_path / "parts", 41)
    parts = go(tmp_path / "parts", 120)
    assert parts.steps < 120
    assert [(e.number, e.reason, e.fault) for e in whole.ended] == [(2, "away", False)]
    assert [e.step for e in parts.ended] == [e.step for e in whole.ended] and whole.ended[0].step > 41
    assert torch.equal(parts.state.velocities, whole.state.velocities)
    assert torch.equal(parts.state.variables["xi"], whole.state.variables["xi"])
    header = Trajectory(tmp_path / "whole").header
    assert header["integrator"] == {"name": "NoseHoover", "timestep": 0.4, "temperature": 1000.0, "period": 500.0}
    assert header["stops"] == ["away"]
    assert Trajectory(tmp_path / "whole").whole.tolist() == [True, True, False, True, True]


def test_thermostat_of_ones_own_has_order_2():
    structures = single_atoms(3)
    start = State.start(structures, torch.full((3, 3), 0.01, dtype=torch.float64))

    def final(timestep, state=start):
        return run(state, Wells(5.0), NoseHoover(timestep, 300.0, 15.0), round(16 / timestep)).state

    exact, timesteps = final(0.02).structures.positions, [0.8, 0.4, 0.2]
    errors = [float((final(h).structures.positions - exact).abs().max()) for h in timesteps]
    assert np.polyfit(np.log(timesteps), np.log(errors), 1)[0] == pytest.approx(2.0, abs=0.1)


def test_thermostat_of_ones_own_brings_a_molecule_to_its_temperature():
    structures = Structures.from_ase([ethanol()] * 20)
    state = State.start(structures, maxwell_boltzmann(structures, 300.0, torch.Generator().manual_seed(1)))
    report = run(state, Morse(depth=0.5, length=2.0, width=1.0), NoseHoover(0.5, 300.0, 20.0), 1500)
    assert report.temperature == pytest.approx(300.0, rel=0.02)
