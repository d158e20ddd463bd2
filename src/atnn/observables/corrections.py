"""Quantum corrections of classical spectra, by name."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from atnn.errors import SpecificationError
from atnn.units import boltzmann, inverse_cm

CORRECTIONS = ("classical", "harmonic", "none", "schofield", "standard")


def correlation_factor(name: str, x: Float[np.ndarray, " points"]) -> Float[np.ndarray, " points"]:
    """Factor Q(x) from the classical to the quantum correlation function at the reduced frequency x = hbar w / k_B T.

    Those called ``harmonic``, ``schofield`` and ``standard`` obey detailed balance, Q(x) = exp(x) Q(-x).

    Args:
        name: One of :data:`CORRECTIONS`, see :func:`quantum_correction`.
        x: Reduced frequencies, positive where energy is taken up.

    Raises:
        SpecificationError: Unknown name.

    >>> [round(float(correlation_factor(name, np.array([2.0]))[0]), 3) for name in ("harmonic", "schofield")]
    [2.313, 2.718]
    """
    if name not in CORRECTIONS:
        raise SpecificationError(
            f"unknown quantum correction {name!r}", where="spectrum", remedy=f"use one of {', '.join(CORRECTIONS)}"
        )
    if name == "harmonic":
        safe = np.where(np.abs(x) < 1e-9, 1e-9, x)
        return safe / -np.expm1(-safe)
    if name == "standard":
        return 2 / (1 + np.exp(-x))
    return np.exp(x / 2) if name == "schofield" else np.ones_like(x)


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

    The one of Egelstaff is not among them: it takes the correlation function at times shifted by hbar / 2 k_B T, 13 fs
    at 300 K, where classical vibrations of hydrogen have turned more than once.

    Reference: Ramirez et al., J. Chem. Phys. 121, 3973 (2004), doi:10.1063/1.1774986.
    """
    x = np.maximum(reduced(frequencies, temperature), 1e-12)
    if name in ("classical", "harmonic"):
        return np.ones_like(x)
    return -np.expm1(-x) / x * correlation_factor(name, x)


def reduced(frequencies: Float[np.ndarray, " frequencies"], temperature: float) -> Float[np.ndarray, " frequencies"]:
    """Reduced frequencies hbar w / k_B T of wavenumbers [cm^-1] at a temperature [K]."""
    return frequencies * inverse_cm / (boltzmann * temperature)
