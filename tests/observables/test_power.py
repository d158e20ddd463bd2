"""Densities of states count degrees of freedom, element by element and mode by mode."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from atnn.errors import DataError
from atnn.observables import mode_spectra, power_spectra, power_spectrum
from atnn.observables.power import eckart_rotations, groups_by_element, remainder
from atnn.units import acceleration, boltzmann, light_speed_cm_per_fs
from observables.oscillators import TEMPERATURE, displacements

MASSES = np.array([15.999, 1.008, 1.008])
REFERENCE = np.array([[0.0, 0.0, 0.0], [0.76, 0.59, 0.0], [-0.76, 0.59, 0.0]])
LINES = (1600.0, 3650.0, 3750.0)


def normal_modes() -> np.ndarray:
    """Three orthonormal vibrations of the reference, free of rigid motion."""
    roots = np.sqrt(MASSES)
    arms = REFERENCE - MASSES @ REFERENCE / MASSES.sum()
    rigid = [np.outer(roots, axis).ravel() for axis in np.eye(3)]
    rigid += [(roots[:, None] * np.cross(axis, arms)).ravel() for axis in np.eye(3)]
    return np.linalg.svd(np.array(rigid))[2][6:].reshape(3, 3, 3)


def tumbling(frames: int = 2000, timestep: float = 2.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions and velocities [time, 2, 3, 3] of molecules that vibrate in three modes while they turn, and modes."""
    modes, half = normal_modes(), 1e-3
    turning = np.array([[0.002, -0.001, 0.0005], [-0.001, 0.0015, 0.001]])  # rad/fs

    def at(shift: float) -> np.ndarray:
        q = np.stack([displacements(2, frames, timestep, line, seed) for seed, line in enumerate(LINES)])
        omega = 2 * np.pi * light_speed_cm_per_fs * np.array(LINES)[:, None, None]
        quarter = np.stack([displacements_quarter(frames, timestep, line, seed) for seed, line in enumerate(LINES)])
        q = q * np.cos(omega * shift) + quarter * np.sin(omega * shift)
        body = REFERENCE + np.einsum("ktc,kai->tcai", q, modes) / np.sqrt(MASSES)[:, None]
        times = timestep * np.arange(frames) + shift
        rotations = np.stack([Rotation.from_rotvec(times[:, None] * axis).as_matrix() for axis in turning], axis=1)
        return np.einsum("tcij,tcaj->tcai", rotations, body)

    return at(0.0), (at(half) - at(-half)) / (2 * half), modes


def displacements_quarter(frames: int, timestep: float, line: float, seed: int) -> np.ndarray:
    """The same displacements a quarter of a period later."""
    rng = np.random.default_rng(seed)
    omega = 2 * np.pi * light_speed_cm_per_fs * line
    amplitude = np.sqrt(2 * boltzmann * TEMPERATURE * acceleration) / omega
    phases = rng.uniform(0, 2 * np.pi, size=2)
    return -amplitude * np.sin(omega * timestep * np.arange(frames)[:, None] + phases)


@pytest.fixture(scope="module")
def moving() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return tumbling()


def test_each_mode_of_a_turning_molecule_is_one_degree_of_freedom_at_its_line(moving):
    positions, velocities, modes = moving
    found = mode_spectra(
        positions, velocities, MASSES, REFERENCE, modes, 2.0, TEMPERATURE, window="gaussian", resolution=30.0
    )
    for spectrum, line in zip(found, LINES, strict=True):
        assert spectrum.peak() == pytest.approx(line, abs=2.0)
        assert spectrum.integral() == pytest.approx(1.0, abs=0.02)
    total = power_spectrum(velocities, MASSES, 2.0, TEMPERATURE, window="gaussian", resolution=30.0)
    rest = remainder(total, found)
    assert rest.integral(1000.0) == pytest.approx(0.0, abs=0.02), "vibrations are left over"
    assert rest.integral() == pytest.approx(total.integral() - 3, abs=0.05)


def test_without_the_eckart_frame_the_modes_of_a_turning_molecule_mix(moving):
    positions, velocities, modes = moving
    found = mode_spectra(positions, velocities, MASSES, REFERENCE, modes, 2.0, TEMPERATURE, turn=False, resolution=30.0)
    assert abs(found[0].integral() - 1.0) > 0.1


def test_elements_add_up_to_the_whole(moving):
    _, velocities, _ = moving
    parts = power_spectra(velocities, MASSES, 2.0, TEMPERATURE, groups_by_element(np.array([8, 1, 1])))
    total = power_spectrum(velocities, MASSES, 2.0, TEMPERATURE)
    assert list(parts) == ["H", "O"]
    np.testing.assert_allclose(parts["H"].intensity + parts["O"].intensity, total.intensity, rtol=1e-9, atol=1e-12)
    assert parts["H"].integral(1000.0) > 10 * parts["O"].integral(1000.0)


def test_frames_satisfy_the_condition_of_eckart(moving):
    positions = moving[0]
    rotations = eckart_rotations(positions, REFERENCE, MASSES)
    arms = positions - np.einsum("a,tcai->tci", MASSES, positions)[:, :, None] / MASSES.sum()
    body = np.einsum("tcij,tcai->tcaj", rotations, arms)
    still = REFERENCE - MASSES @ REFERENCE / MASSES.sum()
    turning = np.einsum("a,tcai->tci", MASSES, np.cross(still, body))
    np.testing.assert_allclose(turning, 0.0, atol=1e-10)
    np.testing.assert_allclose(np.linalg.det(rotations), 1.0)


def test_wrong_groups_and_modes_are_named(moving):
    positions, velocities, modes = moving
    with pytest.raises(DataError, match="group 'X' is empty"):
        power_spectra(velocities, MASSES, 2.0, TEMPERATURE, {"X": [7]})
    with pytest.raises(DataError, match="do not belong together"):
        mode_spectra(positions[:, :1], velocities, MASSES, REFERENCE, modes, 2.0, TEMPERATURE)
