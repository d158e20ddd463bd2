"""A thermostat is believed only as far as its temperature says."""

from __future__ import annotations

import torch

from atnn.dynamics.thermometer import read_thermometer
from atnn.units import boltzmann


def kinetic(temperature: float, frames: int = 400, copies: int = 8, freedom: int = 9) -> torch.Tensor:
    """Kinetic energies of a canonical ensemble [frames, copies]."""
    noise = torch.randn((frames, copies, freedom), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return 0.5 * boltzmann * temperature * noise.square().sum(2)


def read(values: torch.Tensor):
    count = values.shape[1]
    return read_thermometer(values, torch.full((count,), 9), torch.full((count,), 300.0).double(), torch.arange(count))


def test_bath_that_holds_is_ok_and_one_that_heats_is_not():
    assert read(kinetic(300.0)).holds
    hot = read(kinetic(360.0))
    assert not hot.holds and hot.settled and "NOT OK" in str(hot)


def test_one_hot_copy_is_found():
    values = kinetic(300.0)
    values[:, 3] *= 1.5
    assert read(values).off == (3,)


def test_few_frames_say_nothing():
    assert read(kinetic(300.0, frames=40)) is None


def test_healthy_runs_do_not_alarm_and_steadily_hot_ones_are_not_told_to_wait():
    """200 runs of one structure each, as they would be judged alone."""
    healthy, hot = kinetic(300.0, copies=200), kinetic(500.0, copies=200)
    alone = [[read(values[:, copy : copy + 1]) for copy in range(200)] for values in (healthy, hot)]
    assert all(reading.holds for reading in alone[0])
    assert not any(reading.holds for reading in alone[1])
    assert sum(reading.settled for reading in alone[1]) > 190
