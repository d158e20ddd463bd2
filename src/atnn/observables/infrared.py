"""Infrared absorption from the dipole along classical trajectories."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from atnn.errors import DataError
from atnn.observables.corrections import quantum_correction
from atnn.observables.spectrum import Spectrum, as_array, densities_of_copies, passed, slopes_of, summarise_copies
from atnn.units import (
    ATOMIC_MASS_SI,
    AVOGADRO_SI,
    ELEMENTARY_CHARGE_SI,
    LIGHT_SPEED_SI,
    VACUUM_PERMITTIVITY_SI,
    amu_angstrom2_per_fs2,
    boltzmann,
)

# Integrated molar absorption N_A / (12 eps0 c^2) |d mu / d q|^2 of a normal mode with 1 e^2/amu, in km/mol
KM_PER_MOL = (
    AVOGADRO_SI * ELEMENTARY_CHARGE_SI**2 / (12 * VACUUM_PERMITTIVITY_SI * LIGHT_SPEED_SI**2 * ATOMIC_MASS_SI) / 1e3
)
_CM_PER_ANGSTROM = 1e-8


def infrared(
    dipoles: Tensor | np.ndarray,
    timestep: float,
    temperature: float,
    *,
    volume: float | None = None,
    correction: str = "harmonic",
    resolution: float = 10.0,
    window: str = "hann",
    maximum: float | None = None,
) -> Spectrum:
    """Infrared absorption spectrum from the autocorrelation of the dipole's time derivative.

    Linear response gives the absorption coefficient alpha times the refractive index n,

        n(w) alpha(w) = 1 / (6 eps0 c V k_B T) * integral of <M'(0) . M'(t)> exp(-i w t) dt,

    times a quantum correction. Without a volume the result is the molar (Napierian) absorption
    N_A V alpha n of one mole of the simulated structures: for a molecule in vacuum the integral over a line
    is its intensity in km/mol, the number that quantum chemistry prints. M' is the difference of successive
    dipoles. It is divided in frequency space by what a difference does to a wave, and so is exact at every sampled
    frequency. Motion faster than half the sampling rate is folded down: sample every 4 fs or less.

    Args:
        dipoles: Dipoles [time, copies, 3] along the trajectories [e Angstrom], unwrapped where periodic.
        timestep: Time between two samples [fs].
        temperature: Temperature [K].
        volume: Volume of the structure [Angstrom^3].
        correction: Name of a quantum correction, see :func:`quantum_correction`.
        resolution: Full width at half maximum that a sharp line gets [cm^-1].
        window: ``hann``, ``gaussian`` or ``blackman``.
        maximum: Largest wavenumber to return [cm^-1]; up to the sampling limit when not given.

    Returns:
        Spectrum in ``km/mol/cm^-1``, or in ``1/cm`` where a volume is given, with the standard error of the
        mean over the trajectories.

    Raises:
        DataError: Not an array [time, copies, 3] of finite numbers.
        SpecificationError: Unknown window or correction.

    Reference: McQuarrie, Statistical Mechanics (1976), ch. 21; Thomas et al., Phys. Chem. Chem. Phys. 15,
    6608 (2013), doi:10.1039/c3cp44302g.
    """
    values = as_array(dipoles)
    if values.ndim != 3 or values.shape[2] != 3:
        raise DataError(
            f"dipoles have the shape {values.shape}", where="infrared", remedy="give an array [time, copies, 3]"
        )
    rates = slopes_of(values, timestep)
    frequencies, densities, resolution = densities_of_copies(rates, timestep, temperature, resolution, window)
    densities = densities / passed(frequencies, timestep)
    # <M'.M'> of one mode is k_B T |d mu / d q|^2 with q mass-weighted; the integral of its line is
    # KM_PER_MOL |d mu / d q|^2.
    scale = KM_PER_MOL * amu_angstrom2_per_fs2 / (boltzmann * temperature)
    factor = scale * quantum_correction(correction, frequencies, temperature)
    unit = "km/mol/cm^-1"
    if volume is not None:
        if not volume > 0:
            raise DataError(f"the volume is {volume} Angstrom^3", where="infrared", remedy="give a positive volume")
        # 1 km = 1e5 cm. A molar absorption divided by N_A V is an absorption coefficient.
        factor, unit = factor * 1e5 / (AVOGADRO_SI * volume * _CM_PER_ANGSTROM**3), "1/cm"
    return summarise_copies(frequencies, densities * factor, unit, resolution, maximum)
