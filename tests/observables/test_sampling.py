"""Motion faster than half the sampling rate is found out, although its line looks like any other."""

from __future__ import annotations

import numpy as np
import pytest

from atnn.errors import DataError
from atnn.observables.sampling import check_sampling, true_frequencies
from atnn.units import light_speed_cm_per_fs

MASSES = np.array([12.0, 1.0])


def moving(lines: list[float], timestep: float, frames: int = 800) -> tuple[np.ndarray, np.ndarray]:
    """Positions and velocities [time, 1, 2, 3] of two atoms, the second of which holds the last line."""
    times = timestep * np.arange(frames)[:, None, None, None]
    omega = 2 * np.pi * light_speed_cm_per_fs * np.array([lines[:-1] or lines, lines[-1:]], dtype=float)[:, :1]
    phases = np.random.default_rng(0).uniform(0, 6, size=(1, 2, 3))
    width = 0.03 / (omega * np.sqrt(MASSES)[:, None])
    return 40 + width * np.cos(omega * times + phases), -width * omega * np.sin(omega * times + phases)


@pytest.mark.parametrize("timestep", [2.0, 4.0, 6.0, 8.0])
def test_the_true_frequency_is_found_where_the_line_is_folded(timestep):
    positions, velocities = moving([3600.0, 3600.0], timestep)
    frequencies, shares = true_frequencies(positions, velocities, timestep)
    assert frequencies[shares.argmax()] == pytest.approx(3600.0, rel=0.01)
    assert shares.sum() == pytest.approx(1.0)


def test_sampling_is_refused_only_where_lines_are_folded():
    for timestep in (1.0, 4.0):
        check_sampling(*moving([900.0, 3600.0], timestep), MASSES, timestep, "t")
    with pytest.raises(
        DataError, match=r"50 % of the kinetic energy moves faster, at 36\d\d cm\^-1(.|\n)*every 4 fs or less"
    ):
        check_sampling(*moving([900.0, 3600.0], 5.0), MASSES, 5.0, "t")


def test_diffusion_and_atoms_that_stand_still_are_sampled_well():
    rng = np.random.default_rng(2)
    velocities = np.cumsum(rng.normal(scale=1e-4, size=(500, 1, 2, 3)), axis=0)
    velocities[:, :, 0] = 0.0
    positions = np.cumsum(velocities, axis=0) * 4.0
    check_sampling(positions, velocities, MASSES, 4.0, "t")
    check_sampling(0 * positions, 0 * velocities, MASSES, 4.0, "t")
