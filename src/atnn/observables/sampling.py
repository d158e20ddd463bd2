"""Whether frames come often enough for the fastest motion, which would otherwise be folded down."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy import fft

from atnn.errors import DataError
from atnn.units import light_speed_cm_per_fs

FOLDED = 0.01  # part of the kinetic energy that may move faster than the frames show
BEYOND = 1.05  # of the sampling limit; nearer to it, above and below cannot be told apart
MOST_FRAMES, MOST_COPIES = 4096, 8  # that are looked at


def true_frequencies(
    positions: Float[np.ndarray, "time *rest"], velocities: Float[np.ndarray, "time *rest"], timestep: float
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """Frequencies of the motion, even of that which is faster than half the sampling rate, and its kinetic energy.

    A wave of frequency w sampled at steps h looks like one at w' below pi/h. The ratio of its velocity to its position
    is w, and not w'. Differences of positions pass w and w' with the same factor 2 sin(w' h / 2).

    Args:
        positions: Positions, times the root of the mass if velocities are [Angstrom].
        velocities: Velocities [Angstrom/fs].
        timestep: Time between two samples [fs].

    Returns:
        Wavenumbers [cm^-1], and the share of the kinetic energy that moves with each.
    """
    length = len(positions) - 1
    taper = np.sin(np.pi * (np.arange(length) + 0.5) / length)[:, None] ** 2

    def powers(series: np.ndarray) -> Float[np.ndarray, " points"]:
        return (np.abs(fft.rfft(taper * series.reshape(length, -1), axis=0)) ** 2).sum(axis=1)[1:]

    moved, energy = powers(np.diff(positions, axis=0)), powers(velocities[1:])
    halves = np.pi * np.arange(1, len(moved) + 1) / length  # w' h / 2
    angular = np.sqrt(energy / np.maximum(moved, 1e-300)) * 2 * np.sin(halves)
    return angular / (2 * np.pi * light_speed_cm_per_fs), energy / max(float(energy.sum()), 1e-300)


def check_sampling(
    positions: Float[np.ndarray, "time copies atoms 3"],
    velocities: Float[np.ndarray, "time copies atoms 3"],
    masses: Float[np.ndarray, " atoms"],
    timestep: float,
    where: str,
) -> None:
    """Refuse a trajectory whose frames come too seldom for its fastest motion.

    Args:
        positions: Positions [Angstrom].
        velocities: Velocities [Angstrom/fs].
        masses: Masses [amu].
        timestep: Time between two frames [fs].
        where: The trajectory, for the message.

    Raises:
        DataError: More than a hundredth of the kinetic energy moves faster than half the sampling rate.
    """
    roots = np.sqrt(masses)[:, None]
    part = slice(0, MOST_FRAMES), slice(0, MOST_COPIES)
    frequencies, shares = true_frequencies(positions[part] * roots, velocities[part] * roots, timestep)
    limit = 1 / (2 * light_speed_cm_per_fs * timestep)
    folded = frequencies > BEYOND * limit
    share = float(shares[folded].sum())
    if share > FOLDED:
        typical = float((frequencies * shares)[folded].sum() / share)
        period = 1 / (light_speed_cm_per_fs * typical)
        raise DataError(
            f"frames every {timestep:g} fs show motion up to {limit:.0f} cm^-1, but {100 * share:.0f} % of the kinetic "
            f"energy moves faster, at {typical:.0f} cm^-1 or so, and would be folded down",
            where=where,
            remedy=f"run again and keep a frame every {period / 2.5:.1g} fs or less, see `atnn md --every`",
        )
