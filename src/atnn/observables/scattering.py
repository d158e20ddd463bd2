"""Raman scattering far from electronic resonance (Placzek's theory): what tensors scatter, and how much light."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from atnn.errors import SpecificationError
from atnn.observables.corrections import reduced
from atnn.units import amu_angstrom2_per_fs2, hbar, light_speed_cm_per_fs

SMALLEST = 1e-12  # of the largest activity: below it a mode has none, and no depolarisation ratio
NANOMETER = 1e7  # wavenumber of light of one nm [cm^-1]
LONGEST = 1e5  # nm
_PER_ANGSTROM = 1e-8  # wavenumber of one cm^-1
_CROSS_SECTION = 1e-16  # 1e-32 cm^2 in Angstrom^2


def invariants(
    tensors: Float[np.ndarray, "*rest 3 3"],
) -> tuple[Float[np.ndarray, "*rest"], Float[np.ndarray, "*rest"]]:
    """a^2 with a = tr(alpha) / 3, and the squared anisotropy gamma^2 = 3/2 tr(beta beta) with beta = alpha - a.

    >>> rod = np.diag([0.0, 0.0, 2.0])
    >>> [round(float(value), 6) for value in invariants(rod)]  # the anisotropy of a rod is its length
    [0.444444, 4.0]
    """
    mean, rest = split_trace(np.asarray(tensors, dtype=float))
    return np.asarray(mean**2), np.asarray(1.5 * (rest**2).sum(axis=(-2, -1)))


def raman_activity(slopes: Float[np.ndarray, "modes 3 3"]) -> Float[np.ndarray, " modes"]:
    """Raman activities S = 45 a'^2 + 7 g'^2 [Angstrom^4/amu].

    a' is the derivative of the mean polarizability by the mass-weighted normal coordinate, g'^2 that of the squared
    anisotropy. Source: D. A. Long, The Raman Effect (Wiley, 2002), doi:10.1002/0470845767, chapter 5.

    Args:
        slopes: Derivatives of the polarizability volume by the normal coordinates [Angstrom^2/amu^1/2].
    """
    mean, anisotropy = invariants(slopes)
    return 45 * mean + 7 * anisotropy


def depolarization(slopes: Float[np.ndarray, "modes 3 3"]) -> Float[np.ndarray, " modes"]:
    """Depolarisation ratios 3 g'^2 / (45 a'^2 + 4 g'^2) for plane-polarised light, 3/4 for all but totally symmetric
    modes. NaN stands for modes without activity.

    Args:
        slopes: As of :func:`raman_activity`.
    """
    mean, anisotropy = invariants(slopes)
    whole = 45 * mean + 4 * anisotropy
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
    if not temperature > 0:
        raise SpecificationError(
            f"a temperature of {temperature} K", where="raman_intensities", remedy="give for instance 298.15 K"
        )
    real = frequencies > 0
    power = np.zeros_like(activities)
    power[real] = activities[real] * cross_section_factor(frequencies[real], laser, temperature)
    return power / (power.max(initial=0.0) or 1.0)


def cross_section_factor(
    frequencies: Float[np.ndarray, " frequencies"], laser: float, temperature: float
) -> Float[np.ndarray, " frequencies"]:
    """Differential cross section of Stokes scattering [1e-32 cm^2/sr] for an activity of 1 Angstrom^4/amu.

    Args:
        frequencies: Wavenumbers above zero [cm^-1]; nothing is scattered beyond that of the laser.
        laser: Wavelength of the laser [nm].
        temperature: Temperature [K].

    Raises:
        SpecificationError: No such laser.
    """
    if not 0 < laser <= LONGEST:
        raise SpecificationError(
            f"the wavelength of the laser is {laser} nm", where="raman", remedy="give it in nm, for instance 532"
        )
    scattered = 2 * np.pi * _PER_ANGSTROM * np.maximum(NANOMETER / laser - frequencies, 0.0)
    angular = 2 * np.pi * light_speed_cm_per_fs * frequencies
    amplitude = hbar / (2 * angular) / amu_angstrom2_per_fs2  # mean square of a mode at rest [amu Angstrom^2]
    return scattered**4 * amplitude / -np.expm1(-reduced(frequencies, temperature)) / 45 / _CROSS_SECTION


def split_trace(
    tensors: Float[np.ndarray, "*rest 3 3"],
) -> tuple[Float[np.ndarray, "*rest"], Float[np.ndarray, "*rest 3 3"]]:
    """Mean of the diagonal, and the traceless symmetric rest."""
    symmetric = 0.5 * (tensors + np.swapaxes(tensors, -1, -2))
    mean = np.asarray(np.trace(symmetric, axis1=-2, axis2=-1) / 3)
    return mean, symmetric - mean[..., None, None] * np.eye(3)
