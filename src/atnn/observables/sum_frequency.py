"""Sum-frequency generation of a surface from dipoles and polarizabilities along classical trajectories."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy import fft
from torch import Tensor

from atnn.errors import DataError, SpecificationError
from atnn.observables.corrections import quantum_correction
from atnn.observables.correlation import window as falling
from atnn.observables.spectrum import Spectrum, as_array, check_series, passed, slopes_of, summarise_copies
from atnn.units import boltzmann, coulomb, light_speed_cm_per_fs

UNIT = "Angstrom^2/V"
AXES = "xyz"


def sum_frequency(
    dipoles: Tensor | np.ndarray,
    polarizabilities: Tensor | np.ndarray,
    timestep: float,
    temperature: float,
    area: float,
    *,
    normal: str = "z",
    correction: str = "harmonic",
    resolution: float = 10.0,
    window: str = "hann",
    maximum: float | None = None,
) -> dict[str, Spectrum]:
    """Second-order susceptibility chi_xxz of a surface, mean of the two directions x in it, z being its normal.

    The infrared light moves the dipole M along the normal, and the visible light is scattered by the polarizability A
    in the surface (the geometry SSP),

        chi(w) = i / (eps0 S w k_B T) * integral from 0 to infinity of <A'_xx(t) M'_z(0)> exp(i w t) dt,

    up to a real constant, which carries no resonance. The two surfaces of a slab cancel where they are alike: give the
    dipoles and polarizabilities of the half at one of them. Frequencies below the resolution are not resolved; there w
    is the resolution.

    Args:
        dipoles: Dipoles [time, copies, 3] [e Angstrom].
        polarizabilities: Polarizabilities [time, copies, 3, 3] [e^2 Angstrom^2/eV].
        timestep: Time between two samples [fs].
        temperature: Temperature [K].
        area: Area of the surface S [Angstrom^2].
        normal: Axis of the normal: ``x``, ``y`` or ``z``.
        correction, resolution, window, maximum: As for :func:`atnn.observables.infrared`.

    Returns:
        ``imaginary`` and ``real`` part of chi in ``Angstrom^2/V``, that is 1e-20 m^2/V.

    Raises:
        DataError: Arrays of other shapes, or no area.
        SpecificationError: Unknown axis, window or correction.

    Reference: Morita and Hynes, J. Phys. Chem. B 106, 673 (2002), doi:10.1021/jp0133438.
    """
    moments, tensors = as_array(dipoles), as_array(polarizabilities)
    if moments.ndim != 3 or moments.shape[2] != 3 or tensors.shape != (*moments.shape, 3):
        raise DataError(
            f"dipoles {moments.shape} and polarizabilities {tensors.shape} do not belong together",
            where="sum_frequency",
            remedy="give arrays [time, copies, 3] and [time, copies, 3, 3] of the same frames",
        )
    if normal not in AXES or len(normal) != 1 or not area > 0:
        raise SpecificationError(
            f"normal {normal!r}, area {area} Angstrom^2", where="sum_frequency", remedy="give x, y or z, and an area"
        )
    axis = AXES.index(normal)
    inside = [k for k in range(3) if k != axis]
    pairs = np.stack([tensors[:, :, inside, inside].mean(axis=2), moments[:, :, axis]], axis=2)
    slopes = slopes_of(pairs, timestep)
    count, reached = check_series(slopes, timestep, temperature, resolution, window)
    spectra = [_half_transform(pair[:, 0], pair[:, 1], count, timestep, window) for pair in slopes]
    frequencies = spectra[0][0]
    angular = 2 * np.pi * light_speed_cm_per_fs * np.maximum(frequencies, reached)
    vacuum = 1 / (4 * np.pi * coulomb)
    factor = quantum_correction(correction, frequencies, temperature)
    factor = factor / (vacuum * area * angular * boltzmann * temperature * passed(frequencies, timestep))
    chi = 1j * factor * np.array([values for _, values in spectra])
    return {
        "imaginary": summarise_copies(frequencies, chi.imag, UNIT, reached, maximum),
        "real": summarise_copies(frequencies, chi.real, UNIT, reached, maximum),
    }


def _half_transform(
    a: Float[np.ndarray, " time"], b: Float[np.ndarray, " time"], count: int, timestep: float, shape: str
) -> tuple[Float[np.ndarray, " frequencies"], np.ndarray]:
    """Wavenumbers [cm^-1], and the integral of <a(t) b(0)> exp(i w t) over positive times, even in time as it must be.

    The mean of <a(t) b(0)> and <b(t) a(0)> is taken: both are the same without magnetic fields.
    """
    length = len(a)
    padded = fft.next_fast_len(length + count, real=True)
    product = fft.rfft(a, padded) * np.conj(fft.rfft(b, padded))
    correlation = fft.irfft(product.real, padded)[:count] / (length - np.arange(count))
    correlation = correlation * falling(shape, count)
    correlation[0] /= 2
    full = fft.next_fast_len(8 * count, real=True)
    transform = timestep * np.conj(fft.rfft(correlation, full))
    return fft.rfftfreq(full, timestep * light_speed_cm_per_fs), transform
