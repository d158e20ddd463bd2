"""Which mode of one calculation is which of another."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from atnn.errors import DataError
from atnn.observables.harmonic import NormalModes


class ModeMatch(NamedTuple):
    """Which mode of ``b`` belongs to each mode of ``a``.

    Attributes:
        order: Index into the modes of ``b`` for each mode of ``a``.
        overlaps: Squared overlap of each pair, from zero to one.
    """

    order: Int[np.ndarray, " modes"]
    overlaps: Float[np.ndarray, " modes"]


def match_modes(a: NormalModes, b: NormalModes) -> ModeMatch:
    """Pair the modes of two calculations of one molecule by the overlap of their displacements.

    The second is first turned onto the first, because relaxed geometries may be rotated against each other.

    Raises:
        DataError: The two do not have the same atoms in the same order.
    """
    if not np.array_equal(a.numbers, b.numbers) or len(a.modes) != len(b.modes):
        raise DataError(
            "the normal modes are of different structures",
            where="match_modes",
            remedy="give two calculations of the same atoms in the same order",
        )
    rotation = _rotation(a.positions, b.positions, a.masses)
    turned = (b.modes @ rotation.T).reshape(len(b.modes), -1)
    overlaps = (a.modes.reshape(len(a.modes), -1) @ turned.T) ** 2
    rows, order = linear_sum_assignment(overlaps, maximize=True)
    return ModeMatch(order, overlaps[rows, order])


def _rotation(target: np.ndarray, source: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """Proper rotation that turns ``source`` onto ``target`` about the centers of mass (Kabsch)."""
    weights = masses / masses.sum()
    covariance = ((target - weights @ target) * weights[:, None]).T @ (source - weights @ source)
    u, _, v = np.linalg.svd(covariance)
    return u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ v))]) @ v
