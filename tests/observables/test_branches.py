"""Dipoles of periodic structures are followed over the quantum of the polarization, others stay what they are."""

from __future__ import annotations

import numpy as np
import pytest

from atnn.errors import AtnnWarning
from atnn.observables.branches import follow_branch

CELL = np.array([[6.0, 0.0, 0.0], [1.5, 7.0, 0.0], [-1.0, 0.5, 8.0]])
ALL = np.array([True, True, True])


def walk(frames: int = 200) -> np.ndarray:
    """A dipole [time, 2, 3] that wanders over several quanta."""
    return np.cumsum(np.random.default_rng(0).normal(scale=0.3, size=(frames, 2, 3)), axis=0) + 1.0


def folded(dipoles: np.ndarray, pbc: np.ndarray) -> np.ndarray:
    """The same, each frame in the first branch."""
    parts = dipoles @ np.linalg.inv(CELL)
    return dipoles - np.where(pbc, np.round(parts), 0.0) @ CELL


def test_folded_dipoles_become_continuous_again():
    true = walk()
    seen = folded(true, ALL)
    assert np.abs(np.diff(seen, axis=0)).max() > 3.0, "nothing is folded"
    found = follow_branch(seen, CELL, ALL)
    np.testing.assert_allclose(found - found[0], true - true[0], atol=1e-9)


def test_a_slab_has_no_quantum_along_its_normal():
    pbc = np.array([True, True, False])
    true = walk()
    np.testing.assert_allclose(np.diff(follow_branch(folded(true, pbc), CELL, pbc), axis=0), np.diff(true, axis=0))
    jumping = np.zeros((3, 1, 3))
    jumping[1, 0, 2] = 8.0  # a real change, as large as the vector that does not repeat
    np.testing.assert_array_equal(follow_branch(jumping, CELL, pbc), jumping)
    flat = np.where(pbc[:, None], CELL, 0.0)
    np.testing.assert_array_equal(follow_branch(jumping, flat, pbc), jumping)


def test_continuous_and_molecular_dipoles_stay_bit_for_bit():
    true = walk()
    np.testing.assert_array_equal(follow_branch(true, CELL, ALL), true)
    wild = np.random.default_rng(1).normal(scale=50, size=(20, 1, 3))
    np.testing.assert_array_equal(follow_branch(wild, CELL, np.array([False] * 3)), wild)


def test_a_dipole_too_fast_to_follow_is_told():
    fast = np.zeros((4, 1, 3))
    fast[:, 0, 0] = 2.4 * np.arange(4)  # 0.4 of a quantum each
    with pytest.warns(AtnnWarning, match=r"0\.40 quanta"):
        follow_branch(fast, CELL, ALL)
