"""Correlation functions by fast Fourier transforms, and the windows that give spectra their resolution."""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Float
from scipy import fft
from scipy.optimize import brentq

from atnn.errors import SpecificationError

WINDOWS = ("hann", "gaussian", "blackman")
GAUSSIAN_END = 4.0  # standard deviations at which the Gaussian window ends, at 3e-4 of its start


def autocorrelation(
    series: Float[np.ndarray, "time *rest"], lags: int | None = None, unbiased: bool = True
) -> Float[np.ndarray, "lags *rest"]:
    """Autocorrelation <x(0) x(t)> along the first axis, by the Wiener-Khinchin theorem.

    Args:
        series: Samples; their mean is not removed.
        lags: Number of lags, counted from zero; all of them when not given.
        unbiased: Divide the sum at lag k by the T - k products in it. Otherwise it is divided by T, which damps the
            tail.
    """
    length = len(series)
    lags = length if lags is None else min(lags, length)
    padded = fft.next_fast_len(length + lags, real=True)
    transform = fft.rfft(series, padded, axis=0)
    summed = fft.irfft(np.abs(transform) ** 2, padded, axis=0)[:lags]
    counts = length - np.arange(lags) if unbiased else np.full(lags, length)
    return summed / counts.reshape(-1, *[1] * (series.ndim - 1))


def window(name: str, count: int) -> Float[np.ndarray, " count"]:
    """Falling half of a window: one at lag zero, (nearly) zero after the last lag.

    One at lag zero means that the integral of a spectrum does not depend on the window.

    Args:
        name: ``hann``, ``gaussian`` or ``blackman``.
        count: Number of lags.

    Raises:
        SpecificationError: Unknown name.

    >>> [round(float(w), 3) for w in window("hann", 4)]
    [1.0, 0.854, 0.5, 0.146]
    """
    return _shape(name, np.arange(count) / count)


def lags_for(name: str, resolution: float) -> float:
    """Length of the correlation function that a window needs for a resolution [time].

    Args:
        name: Name of the window.
        resolution: Full width at half maximum of the line that the window makes [1/time].
    """
    return _width(name) / resolution


def _shape(name: str, x: np.ndarray) -> np.ndarray:
    if name == "hann":
        return 0.5 + 0.5 * np.cos(np.pi * x)
    if name == "gaussian":
        return np.exp(-0.5 * (GAUSSIAN_END * x) ** 2)
    if name == "blackman":
        return 0.42 + 0.5 * np.cos(np.pi * x) + 0.08 * np.cos(2 * np.pi * x)
    raise SpecificationError(f"unknown window {name!r}", where="window", remedy=f"use one of {', '.join(WINDOWS)}")


@cache
def _width(name: str) -> float:
    """Full width at half maximum of the transform of a window that ends at one."""
    x = (np.arange(2000) + 0.5) / 2000
    shape = _shape(name, x)

    def excess(frequency: float) -> float:
        return float(shape @ np.cos(2 * np.pi * frequency * x) - 0.5 * shape.sum())

    return 2 * brentq(excess, 1e-3, 1.0)
