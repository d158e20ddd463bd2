"""Raman scattering from the polarizability along classical trajectories."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from atnn.errors import DataError
from atnn.observables.corrections import quantum_correction
from atnn.observables.scattering import cross_section_factor, split_trace
from atnn.observables.spectrum import Spectrum, as_array, densities_of_copies, passed, slopes_of, summarise_copies
from atnn.units import amu_angstrom2_per_fs2, boltzmann, coulomb

ACTIVITY, CROSS_SECTION = "Angstrom^4/amu/cm^-1", "1e-32 cm^2/sr/cm^-1"
# Scattered light in terms of 45 a'^2 and gamma'^2, a' of the mean polarizability and gamma' of its anisotropy.
GEOMETRIES = {
    "unpolarised": (1.0, 7.0),
    "isotropic": (1.0, 0.0),
    "anisotropic": (0.0, 7.0),
    "polarised": (1.0, 4.0),
    "depolarised": (0.0, 3.0),
}


def raman(
    polarizabilities: Tensor | np.ndarray,
    timestep: float,
    temperature: float,
    *,
    laser: float | None = None,
    correction: str = "harmonic",
    resolution: float = 10.0,
    window: str = "hann",
    maximum: float | None = None,
) -> dict[str, Spectrum]:
    """Raman spectra from the autocorrelation of the polarizability's time derivative, for the usual geometries.

    Without a laser the unit is that of quantum chemistry: the integral over a line of the unpolarised spectrum is the
    Raman activity 45 a'^2 + 7 gamma'^2 of its mode in Angstrom^4/amu. With the wavelength of a laser it is the
    differential cross section of Stokes scattering of one of the simulated structures,

        d sigma / d Omega d nu = (2 pi (nu_L - nu))^4 hbar / (2 w (1 - exp(-hbar w / k_B T))) A(nu) / 45,

    seen at a right angle to polarised light, with all polarisations of the scattered light (A unpolarised), or one of
    them (polarised: parallel, VV; depolarised: perpendicular, VH). Local fields of a dense phase are not part of it.
    Frequencies below the resolution are not resolved; there the cross section is that of w at the resolution.

    =============  =========================  =========================================
    name           A in Angstrom^4/amu        what is seen
    =============  =========================  =========================================
    unpolarised    45 a'^2 + 7 gamma'^2       all scattered light
    isotropic      45 a'^2                    VV - 4/3 VH
    anisotropic    7 gamma'^2                 7/3 VH
    polarised      45 a'^2 + 4 gamma'^2       VV
    depolarised    3 gamma'^2                 VH; VH/VV is the depolarisation ratio
    =============  =========================  =========================================

    Args:
        polarizabilities: Polarizabilities [time, copies, 3, 3] along the trajectories [e^2 Angstrom^2/eV].
        timestep: Time between two samples [fs].
        temperature: Temperature [K].
        laser: Wavelength of the laser [nm].
        correction: Name of a quantum correction, see :func:`quantum_correction`.
        resolution, window, maximum: As for :func:`atnn.observables.infrared`.

    Returns:
        A spectrum for each name above, in ``Angstrom^4/amu/cm^-1`` or ``1e-32 cm^2/sr/cm^-1``.

    Raises:
        DataError: Not an array [time, copies, 3, 3] of finite numbers.
        SpecificationError: Unknown window or correction, or no such laser.

    Reference: Long, The Raman Effect (2002), doi:10.1002/0470845767, ch. 5; Thomas et al., Phys. Chem. Chem. Phys. 15,
    6608 (2013), doi:10.1039/c3cp44302g.
    """
    values = as_array(polarizabilities)
    if values.ndim != 4 or values.shape[2:] != (3, 3):
        raise DataError(
            f"polarizabilities have the shape {values.shape}",
            where="raman",
            remedy="give an array [time, copies, 3, 3]",
        )
    mean, rest = split_trace(coulomb * values)  # in Angstrom^3
    densities = []
    reached = resolution
    for series, weight in ((mean, 45.0), (rest, 1.5)):
        frequencies, density, reached = densities_of_copies(
            slopes_of(series, timestep), timestep, temperature, resolution, window
        )
        densities.append(weight * density / passed(frequencies, timestep))
    classical = amu_angstrom2_per_fs2 / (boltzmann * temperature)
    factor = classical * quantum_correction(correction, frequencies, temperature)
    if laser is not None:
        factor = factor * cross_section_factor(np.maximum(frequencies, reached), laser, temperature)
    unit = ACTIVITY if laser is None else CROSS_SECTION
    return {
        name: summarise_copies(frequencies, factor * (a * densities[0] + g * densities[1]), unit, reached, maximum)
        for name, (a, g) in GEOMETRIES.items()
    }
