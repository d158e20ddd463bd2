"""Quantum corrections obey what quantum correlation functions obey."""

from __future__ import annotations

import numpy as np
import pytest

from atnn.errors import SpecificationError
from atnn.observables.corrections import CORRECTIONS, correlation_factor

X = np.array([0.1, 0.7, 2.0, 8.0])


@pytest.mark.parametrize("name", ["harmonic", "schofield", "standard"])
def test_detailed_balance_holds(name):
    np.testing.assert_allclose(correlation_factor(name, X), np.exp(X) * correlation_factor(name, -X), rtol=1e-12)


@pytest.mark.parametrize("name", ["none", "classical"])
def test_classical_correlations_break_detailed_balance(name):
    np.testing.assert_array_equal(correlation_factor(name, X), correlation_factor(name, -X))


@pytest.mark.parametrize("name", CORRECTIONS)
def test_slow_motion_is_classical(name):
    assert correlation_factor(name, np.array([0.0, 1e-7])) == pytest.approx([1.0, 1.0], abs=1e-6)


def test_the_harmonic_factor_is_exact_for_an_oscillator():
    """<q q> of a quantum oscillator at +omega is hbar (n + 1) / 2 omega, k_B T / 2 omega^2 of a classical one."""
    occupation = 1 / np.expm1(X)
    np.testing.assert_allclose(correlation_factor("harmonic", X), X * (occupation + 1), rtol=1e-12)


def test_an_unknown_name_is_an_error():
    with pytest.raises(SpecificationError, match="egelstaff"):
        correlation_factor("egelstaff", X)
