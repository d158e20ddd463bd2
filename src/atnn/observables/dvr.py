"""Discrete variable representations: wave functions as their values on a grid, where the potential is diagonal."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.polynomial.legendre import leggauss, legvander

from atnn.units import amu_angstrom2_per_fs2, hbar

SHARE = 10.0  # largest kinetic energy on a grid, in units of the highest potential on it


def kinetic_constant(mass: float) -> float:
    """hbar^2 / (2 m) [eV*Angstrom^2] of a mass [amu]."""
    return hbar**2 / (2 * mass * amu_angstrom2_per_fs2)


def sinc_grid(low: float, high: float, mass: float, energy: float) -> Float[np.ndarray, " points"]:
    """Evenly spaced points, close enough for motion with that energy.

    Args:
        low, high: Where wave functions may be [Angstrom].
        mass: Mass [amu].
        energy: Highest potential between the two [eV].
    """
    spacing = np.pi * np.sqrt(kinetic_constant(mass) / (SHARE * energy))
    return np.linspace(low, high, max(12, int(np.ceil((high - low) / spacing)) + 1))


def sinc_kinetic(points: Float[np.ndarray, " points"], mass: float) -> Float[np.ndarray, "points points"]:
    """Kinetic energy on evenly spaced points [eV]. Source: Colbert and Miller, doi:10.1063/1.462100, equation 2.4.

    Args:
        points: Points [Angstrom].
        mass: Mass [amu].
    """
    spacing = points[1] - points[0]
    steps = np.subtract.outer(np.arange(len(points)), np.arange(len(points)))
    away = np.where(steps == 0, 1, steps).astype(float)
    sizes = np.where(steps == 0, np.pi**2 / 3, 2 / away**2)
    return kinetic_constant(mass) / spacing**2 * np.where(steps % 2 == 0, sizes, -sizes)


def legendre_grid(count: int) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, "points points"]]:
    """Points of Gauss and Legendre in cos(angle), and the squared angular momentum on them [hbar^2]."""
    cosines, weights = leggauss(count)
    degrees = np.arange(count)
    functions = legvander(cosines, count - 1) * np.sqrt(weights)[:, None] * np.sqrt(degrees + 0.5)
    return cosines, (functions * (degrees * (degrees + 1))) @ functions.T


def contract(
    points: Float[np.ndarray, " points"],
    kinetic: Float[np.ndarray, "points points"],
    potential: Float[np.ndarray, " points"],
    count: int,
) -> tuple[Float[np.ndarray, " few"], Float[np.ndarray, "few few"]]:
    """A few points in place of many, where the coordinate is diagonal among the lowest eigenfunctions.

    Source: Echave and Clary, potential optimized discrete variable representation, doi:10.1016/0009-2614(92)85330-D.

    Args:
        points: The first grid.
        kinetic: Kinetic energy on it [eV].
        potential: Potential on it [eV].
        count: Number of eigenfunctions, and of new points.

    Returns:
        The new points, and the kinetic energy among them [eV].
    """
    _, functions = np.linalg.eigh(kinetic + np.diag(potential))
    functions = functions[:, :count]
    places, turn = np.linalg.eigh(functions.T @ (points[:, None] * functions))
    basis = functions @ turn
    return places, basis.T @ kinetic @ basis
