"""Spectra with error bands."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from scipy import fft
from torch import Tensor

from atnn.errors import AtnnWarning, DataError, SpecificationError
from atnn.observables.correlation import autocorrelation, lags_for, window
from atnn.units import light_speed_cm_per_fs


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
        copies: The spectrum of each trajectory [``unit``].
    """

    frequencies: Float[np.ndarray, " frequencies"]
    intensity: Float[np.ndarray, " frequencies"]
    error: Float[np.ndarray, " frequencies"] | None
    unit: str
    resolution: float
    origin: dict[str, str] = field(default_factory=dict)
    copies: Float[np.ndarray, "copies frequencies"] | None = None

    def integral(self, low: float = 0.0, high: float = np.inf) -> float:
        """Integrated intensity between two wavenumbers [``unit`` times cm^-1]."""
        inside = (self.frequencies >= low) & (self.frequencies <= high)
        return float(np.trapezoid(self.intensity[inside], self.frequencies[inside]))

    def interval(
        self, level: float = 0.95, draws: int = 1000, seed: int = 0
    ) -> tuple[Float[np.ndarray, " frequencies"], Float[np.ndarray, " frequencies"]]:
        """Lower and upper end of the confidence interval of the mean, by drawing trajectories again (bootstrap).

        Unlike the standard error it needs no normal distribution, which few trajectories of a molecule do not have.

        Args:
            level: Probability that the interval holds the mean.
            draws: Number of drawings.
            seed: Of the drawings.

        Raises:
            DataError: Fewer than two trajectories.

        Reference: Efron, Ann. Statist. 7, 1 (1979), doi:10.1214/aos/1176344552.
        """
        if self.copies is None or len(self.copies) < 2:
            raise DataError(
                "a single trajectory has no confidence interval", where="Spectrum.interval", remedy="run several copies"
            )
        count = len(self.copies)
        drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws)
        low, high = np.quantile(drawn / count @ self.copies, [(1 - level) / 2, (1 + level) / 2], axis=0)
        return low, high

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


def resolved(length: int, timestep: float, shape: str) -> float:
    """Resolution that a number of samples reaches [cm^-1]."""
    return lags_for(shape, 1.0) / (light_speed_cm_per_fs * timestep * length)


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
    resolution = check_series(series, timestep, temperature, resolution, shape)[1]
    results = [spectral_density(copy, timestep, resolution, shape) for copy in series]
    return results[0][0], np.array([density for _, density in results]), resolution


def check_series(
    series: Float[np.ndarray, "copies time components"],
    timestep: float,
    temperature: float,
    resolution: float,
    shape: str,
) -> tuple[int, float]:
    """Number of lags to take, and the resolution reached with them [cm^-1]; a warning where it is not the one wanted.

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
    if needed <= length:
        return needed, resolution
    reached = resolution * needed / length
    warnings.warn(
        f"trajectories of {length * timestep:.0f} fs resolve {reached:.1f} cm^-1, not {resolution:.1f}: "
        f"run for {needed * timestep:.0f} fs or more",
        AtnnWarning,
        stacklevel=4,
    )
    return length, reached


def summarise_copies(
    frequencies: np.ndarray, spectra: np.ndarray, unit: str, resolution: float, maximum: float | None
) -> Spectrum:
    """Mean and standard error over the copies, up to a wavenumber."""
    kept = slice(None) if maximum is None else slice(0, int(np.searchsorted(frequencies, maximum, "right")))
    spectra = spectra[:, kept]
    error = None if len(spectra) < 2 else spectra.std(axis=0, ddof=1) / np.sqrt(len(spectra))
    return Spectrum(frequencies[kept], spectra.mean(axis=0), error, unit, resolution, copies=spectra)


def as_array(values: Tensor | np.ndarray) -> Float[np.ndarray, "*shape"]:
    """Values in double precision and main memory."""
    return np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values, dtype=np.float64)


def slopes_of(
    values: Float[np.ndarray, "time copies *components"], timestep: float
) -> Float[np.ndarray, "copies intervals flat"]:
    """Differences of successive samples over the time between them, of each copy.

    A difference passes a wave with less than its slope: densities are divided by :func:`passed`.
    """
    slopes = np.diff(values, axis=0) / timestep
    return slopes.reshape(*slopes.shape[:2], -1).transpose(1, 0, 2)


def passed(frequencies: Float[np.ndarray, " frequencies"], timestep: float) -> Float[np.ndarray, " frequencies"]:
    """Part of the squared slope of a wave [cm^-1] that the difference of samples [fs] keeps."""
    # np.sinc includes the pi
    return np.sinc(frequencies * light_speed_cm_per_fs * timestep) ** 2
