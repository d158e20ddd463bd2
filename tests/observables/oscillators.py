"""Thermal harmonic oscillators along time, whose spectra are known."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from atnn.units import acceleration, boltzmann, light_speed_cm_per_fs

TEMPERATURE = 300.0


def displacements(
    copies: int, frames: int, timestep: float, line: float, seed: int = 0, exact: bool = True
) -> np.ndarray:
    """Mass-weighted displacements [time, copies] of oscillators at a wavenumber [cm^-1], in amu^1/2 Angstrom.

    Args:
        copies: Number of oscillators.
        frames: Number of samples.
        timestep: Time between them [fs].
        line: Wavenumber [cm^-1].
        seed: Of phases, and of energies where these are thermal.
        exact: Whether each has the mean energy k_B T; else energies are thermal.
    """
    rng = np.random.default_rng(seed)
    omega = 2 * np.pi * light_speed_cm_per_fs * line
    energies = np.ones(copies) if exact else rng.exponential(size=copies)
    amplitude = np.sqrt(2 * boltzmann * TEMPERATURE * energies * acceleration) / omega
    phases = rng.uniform(0, 2 * np.pi, size=copies)
    return amplitude * np.cos(omega * timestep * np.arange(frames)[:, None] + phases)


def turned(tensor: np.ndarray, copies: int, seed: int = 1) -> np.ndarray:
    """A tensor [3, 3] in a random direction for each copy [copies, 3, 3]."""
    rotations = Rotation.random(copies, random_state=seed).as_matrix()
    return rotations @ tensor @ rotations.transpose(0, 2, 1)
