"""Rotations that leave a molecule as it is."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int


def symmetry_number(
    numbers: Int[np.ndarray, " atoms"],
    positions: Float[np.ndarray, "atoms 3"],
    masses: Float[np.ndarray, " atoms"],
    tolerance: float = 0.05,
) -> int:
    """Number of proper rotations that only exchange equal atoms: 2 for water, 12 for methane and benzene.

    A rotation is known from where it brings two atoms that are not on one line with the center of mass, so all pairs
    are tried. A linear molecule has 2 if it is the same from both ends, and 1 otherwise.

    Args:
        numbers: Atomic numbers.
        positions: Positions [Angstrom].
        masses: Masses; atoms of different masses are not exchanged [amu].
        tolerance: Largest distance between an atom and where an equal one is rotated to [Angstrom].
    """
    places = positions - masses @ positions / masses.sum()
    kinds = np.unique(np.stack([numbers, masses.round(4)]), axis=1, return_inverse=True)[1].reshape(-1)
    lengths = np.linalg.norm(places, axis=1)
    first = int(lengths.argmax())
    if lengths[first] < tolerance:
        return 1
    off = np.linalg.norm(np.cross(places[first] / lengths[first], places), axis=1)
    second = int(off.argmax())
    if off[second] < tolerance:
        return 2 if _same(-places, places, kinds, tolerance) else 1
    start = _frame(places[first], places[second])
    found = 0
    for a, b in np.ndindex(len(places), len(places)):
        lengths_fit = abs(lengths[a] - lengths[first]) < tolerance and abs(lengths[b] - lengths[second]) < tolerance
        if a == b or kinds[a] != kinds[first] or kinds[b] != kinds[second] or not lengths_fit:
            continue
        gap = np.linalg.norm(places[a] - places[b]) - np.linalg.norm(places[first] - places[second])
        if abs(gap) < 2 * tolerance:
            rotation = _frame(places[a], places[b]).T @ start
            found += _same(places @ rotation.T, places, kinds, tolerance)
    return max(1, found)


def _frame(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Orthonormal rows: along a, in the plane of a and b, and across it."""
    x = a / np.linalg.norm(a)
    y = b - (b @ x) * x
    y /= np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)])


def _same(turned: np.ndarray, places: np.ndarray, kinds: np.ndarray, tolerance: float) -> bool:
    """Whether every rotated atom lies where an equal one is."""
    distances = np.linalg.norm(turned[:, None] - places[None], axis=2)
    distances[kinds[:, None] != kinds[None]] = np.inf
    return bool((distances.min(axis=1) < tolerance).all())
