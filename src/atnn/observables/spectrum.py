"""Spectra with error bands, and quantum corrections of classical spectra."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from scipy import fft

from atnn.errors import AtnnWarning, DataError, SpecificationError
from atnn.observables.correlation import autocorrelation, lags_for, window
from atnn.units import boltzmann, inverse_cm, light_speed_cm_per_fs

CORRECTIONS = ("classical", "harmonic", "none", "schofield", "standard")


@dataclass(frozen=True)
class Spectrum:
    """A spectrum with its statistical error.

    Attributes:
        frequencies: Wavenumbers, evenly spaced from zero [cm^-1].
        intensity: Mean over the trajectories [``unit``].
        error: Standard error of that mean, or None for a single trajectory.
        unit: Unit of intensity and error.
        resolution: Full width at half maximum that the window gives to a sharp line [cm^-1].
        origin: Hashes of what it was made of: ``trajectory``, the ``run`` that this is of, however far it has gone, and
            ``potential`` where that says what it is.
    """

    frequencies: Float[np.ndarray, " frequencies"]
    intensity: Float[np.ndarray, " frequencies"]
    error: Float[np.ndarray, " frequencies"] | None
    unit: str
    resolution: float
    origin: dict[str, str] = field(default_factory=dict)

    def integral(self, low: float = 0.0, high: float = np.inf) -> float:
        """Integrated intensity between two wavenumbers [``unit`` times cm^-1]."""
        inside = (self.frequencies >= low) & (self.frequencies <= high)
        return float(np.trapezoid(self.intensity[inside], self.frequencies[inside]))

    def peak(self, low: float = 0.0, high: float = np.inf) -> float:
        """Wavenumber of the largest intensity between two wavenumbers [cm^-1], by a parabola through the top."""
        inside = np.flatnonzero((self.frequencies >= low) & (self.frequencies <= high))
        top = inside[np.argmax(self.intensity[inside])]
        step = self.frequencies[1] - self.frequencies[0]
        if top in (0, len(self.frequencies) - 1):
            return float(self.frequencies[top])
        left, middle, right = self.intensity[top - 1 : top + 2]
        return float(self.frequencies[top] + 0.5 * step * (left - right) / (left - 2 * middle + right))


def spectral_density(
    series: Float[np.ndarray, "time components"], timestep: float, resolution: float, shape: str
) -> tuple[Float[np.ndarray, " frequencies"], Float[np.ndarray, " frequencies"]]:
    """One-sided spectral density of a stationary series, summed over its components.

    S(nu) = 4 c sum over components of the integral from 0 to infinity of w(t) <x(0) x(t)> cos(2 pi c nu t) dt,
    so that its integral over the wavenumbers nu is <x^2>.

    Args:
        series: Samples.
        timestep: Time between two samples [fs].
        resolution: Full width at half maximum of a sharp line [cm^-1].
        shape: Name of the window.

    Returns:
        Wavenumbers [cm^-1], density [series^2 / cm^-1].
    """
    count = min(lag_count(timestep, resolution, shape), len(series))
    correlation = autocorrelation(series, count).sum(axis=1) * window(shape, count)
    # Padding gives each resolved line four points.
    padded = fft.next_fast_len(8 * count, real=True)
    symmetric = np.zeros(padded)
    symmetric[:count] = correlation
    symmetric[padded - count + 1 :] = correlation[:0:-1]
    density = 2 * light_speed_cm_per_fs * timestep * fft.rfft(symmetric).real
    return fft.rfftfreq(padded, timestep * light_speed_cm_per_fs), density


def lag_count(timestep: float, resolution: float, shape: str) -> int:
    """Number of lags of the correlation function for a resolution [cm^-1] at a timestep [fs]."""
    return int(np.ceil(lags_for(shape, resolution * light_speed_cm_per_fs) / timestep))


def densities_of_copies(
    series: Float[np.ndarray, "copies time components"],
    timestep: float,
    temperature: float,
    resolution: float,
    shape: str,
) -> tuple[Float[np.ndarray, " frequencies"], Float[np.ndarray, "copies frequencies"], float]:
    """Wavenumbers [cm^-1], spectral densities of each copy, and the resolution reached [cm^-1].

    Raises:
        DataError: Fewer than ten samples, or values that are not finite.
        SpecificationError: Resolution, timestep or temperature are not positive.
    """
    if not (resolution > 0 and timestep > 0 and temperature > 0):
        raise SpecificationError(
            f"resolution {resolution} cm^-1, timestep {timestep} fs, temperature {temperature} K: "
            "all three must be positive",
            where="spectrum",
            remedy="give for instance 10 cm^-1, 1 fs and 300 K",
        )
    length = series.shape[1]
    if length < 10 or not np.isfinite(series).all():
        raise DataError(
            f"trajectories of {length} samples, or with values that are not finite, have no spectrum",
            where="spectrum",
            remedy="run longer, or remove the trajectories that failed",
        )
    needed = lag_count(timestep, resolution, shape)
    if needed > length:
        reached = resolution * needed / length
        warnings.warn(
            f"trajectories of {length * timestep:.0f} fs resolve {reached:.1f} cm^-1, not {resolution:.1f}: "
            f"run for {needed * timestep:.0f} fs or more",
            AtnnWarning,
            stacklevel=3,
        )
        resolution = reached
    results = [spectral_density(copy, timestep, resolution, shape) for copy in series]
    return results[0][0], np.array([density for _, density in results]), resolution


def summarise_copies(
    frequencies: np.ndarray, spectra: np.ndarray, unit: str, resolution: float, maximum: float | None
) -> Spectrum:
    """Mean and standard error over the copies, up to a wavenumber."""
    kept = slice(None) if maximum is None else slice(0, int(np.searchsorted(frequencies, maximum, "right")))
    error = None if len(spectra) < 2 else spectra.std(axis=0, ddof=1)[kept] / np.sqrt(len(spectra))
    return Spectrum(frequencies[kept], spectra.mean(axis=0)[kept], error, unit, resolution)


def quantum_correction(
    name: str, frequencies: Float[np.ndarray, " frequencies"], temperature: float
) -> Float[np.ndarray, " frequencies"]:
    """Factor from the classical absorption to one with a quantum correction of the correlation function.

    Absorption goes as w (1 - exp(-x)) Q(w) C(w) with x = hbar w / k_B T, the classical correlation C and

    ===============  =====================  =============================
    name             Q                      factor (1 - exp(-x)) Q / x
    ===============  =====================  =============================
    ``harmonic``     x / (1 - exp(-x))      1
    ``classical``    (the limit hbar -> 0)  1
    ``none``         1                      (1 - exp(-x)) / x
    ``standard``     2 / (1 + exp(-x))      2 tanh(x / 2) / x
    ``schofield``    exp(x / 2)             2 sinh(x / 2) / x
    ===============  =====================  =============================

    Args:
        name: One of the names above.
        frequencies: Wavenumbers [cm^-1].
        temperature: Temperature of the trajectories [K].

    Raises:
        SpecificationError: Unknown name.

    Reference: Ramirez et al., J. Chem. Phys. 121, 3973 (2004), doi:10.1063/1.1774986.
    """
    if name not in CORRECTIONS:
        raise SpecificationError(
            f"unknown quantum correction {name!r}", where="spectrum", remedy=f"use one of {', '.join(CORRECTIONS)}"
        )
    x = np.maximum(frequencies * inverse_cm / (boltzmann * temperature), 1e-12)
    if name == "none":
        return -np.expm1(-x) / x
    if name == "standard":
        return 2 * np.tanh(x / 2) / x
    if name == "schofield":
        return 2 * np.sinh(x / 2) / x
    return np.ones_like(x)
