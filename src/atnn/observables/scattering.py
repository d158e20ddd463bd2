"""Raman scattering by normal modes (Placzek's theory, far from electronic resonance)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from atnn.errors import SpecificationError
from atnn.units import boltzmann, inverse_cm

SMALLEST = 1e-12  # of the largest activity: below it a mode has none, and no depolarisation ratio


def raman_activity(slopes: Float[np.ndarray, "modes 3 3"]) -> Float[np.ndarray, " modes"]:
    """Raman activities S = 45 a'^2 + 7 g'^2 [Angstrom^4/amu].

    a' is the derivative of the mean polarizability by the mass-weighted normal coordinate, g'^2 that of the squared
    anisotropy. Source: D. A. Long, The Raman Effect (Wiley, 2002), doi:10.1002/0470845767, chapter 5.

    Args:
        slopes: Derivatives of the polarizability volume by the normal coordinates [Angstrom^2/amu^1/2].
    """
    mean, anisotropy = _invariants(slopes)
    return 45 * mean**2 + 7 * anisotropy


def depolarization(slopes: Float[np.ndarray, "modes 3 3"]) -> Float[np.ndarray, " modes"]:
    """Depolarisation ratios 3 g'^2 / (45 a'^2 + 4 g'^2) for plane-polarised light, 3/4 for all but totally symmetric
    modes. NaN stands for modes without activity.

    Args:
        slopes: As of :func:`raman_activity`.
    """
    mean, anisotropy = _invariants(slopes)
    whole = 45 * mean**2 + 4 * anisotropy
    seen = whole > SMALLEST * whole.max(initial=0.0)
    return np.where(seen, 3 * anisotropy / np.where(seen, whole, 1.0), np.nan)


def raman_intensities(
    frequencies: Float[np.ndarray, " modes"],
    activities: Float[np.ndarray, " modes"],
    laser: float = 532.0,
    temperature: float = 298.15,
) -> Float[np.ndarray, " modes"]:
    """Relative Stokes intensities, the largest one being one.

    I is proportional to S (nu0 - nu)^4 / (nu (1 - exp(-h c nu / k T))): the power that a molecule scatters at right
    angles, parallel and perpendicular polarisation together. Imaginary modes have none.

    Args:
        frequencies: Wavenumbers nu, imaginary ones negative [cm^-1].
        activities: Raman activities S [Angstrom^4/amu].
        laser: Wavelength 1/nu0 of the exciting light [nm].
        temperature: Temperature T [K].

    Raises:
        SpecificationError: Laser or temperature are not positive.
    """
    if not (laser > 0 and temperature > 0):
        raise SpecificationError(
            f"a laser of {laser} nm and a temperature of {temperature} K: both must be positive",
            where="raman_intensities",
            remedy="give for instance 532 nm and 298.15 K",
        )
    real = (frequencies > 0) & (frequencies < 1e7 / laser)
    lines = np.where(real, frequencies, 1.0)
    occupation = -np.expm1(-lines * inverse_cm / (boltzmann * temperature))
    power = np.where(real, activities * (1e7 / laser - lines) ** 4 / (lines * occupation), 0.0)
    return power / (power.max(initial=0.0) or 1.0)


def _invariants(slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and squared anisotropy of symmetric tensors [modes, 3, 3]."""
    trace = np.trace(slopes, axis1=1, axis2=2)
    return trace / 3, 1.5 * (slopes**2).sum((1, 2)) - 0.5 * trace**2
