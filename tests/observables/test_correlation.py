"""Correlation functions equal their definition, and windows have the width they claim."""

from __future__ import annotations

import numpy as np
import pytest

from atnn.errors import SpecificationError
from atnn.observables.correlation import WINDOWS, autocorrelation, lags_for, window


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("lags", [None, 7, 40])
def test_autocorrelation_is_the_sum_of_products(unbiased, lags):
    series = np.random.default_rng(0).normal(size=(25, 2, 3)) + 1.0
    result = autocorrelation(series, lags, unbiased)
    for lag in range(len(result)):
        products = (series[: 25 - lag] * series[lag:]).sum(0)
        assert np.allclose(result[lag], products / (25 - lag if unbiased else 25))
    assert len(result) == min(lags or 25, 25)


def test_autocorrelation_of_a_wave_is_its_cosine():
    time = np.arange(20_000)
    result = autocorrelation(3.0 * np.sin(0.3 * time + 0.7), 50)
    assert np.allclose(result, 4.5 * np.cos(0.3 * time[:50]), atol=2e-3)


@pytest.mark.parametrize("name", WINDOWS)
def test_windows_fall_from_one_to_zero(name):
    values = window(name, 1000)
    assert values[0] == pytest.approx(1.0)
    assert abs(values[-1]) < 4e-4
    assert (np.diff(values) <= 1e-12).all()


@pytest.mark.parametrize(("name", "width"), [("hann", 1.0), ("gaussian", 0.75 * 2), ("blackman", 1.1495)])
def test_windows_have_their_known_width(name, width):
    # Hann: 2 bins over a window of two lengths; Gaussian: sqrt(2 ln 2) * 4 / pi; Blackman: 2.299 bins
    assert lags_for(name, 1.0) == pytest.approx(width, rel=2e-3)


def test_unknown_window_lists_the_known():
    with pytest.raises(SpecificationError, match="hann, gaussian, blackman"):
        window("hamming", 4)
