"""Dipoles of periodic structures along a trajectory: continuous, although each is only known up to a quantum."""

from __future__ import annotations

import warnings

import numpy as np
from jaxtyping import Bool, Float

from atnn.errors import AtnnWarning

SURE = 0.25  # of a quantum: the farthest that a dipole may move between two frames for its branch to be certain


def follow_branch(
    dipoles: Float[np.ndarray, "time copies 3"], cell: Float[np.ndarray, "3 3"], pbc: Bool[np.ndarray, " 3"]
) -> Float[np.ndarray, "time copies 3"]:
    """Dipoles without the jumps by quanta of the polarization, from one frame to the next.

    In a periodic cell the dipole is defined up to a sum of e times the lattice vectors. Of all values that a frame
    allows, the one nearest to the frame before is taken. A dipole that has no jumps stays what it is.

    Args:
        dipoles: Dipoles along the trajectories [e Angstrom].
        cell: Lattice vectors, rows [Angstrom].
        pbc: Which of them repeat the structure.

    Reference: King-Smith and Vanderbilt, Phys. Rev. B 47, 1651 (1993), doi:10.1103/PhysRevB.47.1651.
    """
    if not pbc.any() or len(dipoles) < 2:
        return dipoles
    lattice = np.where(pbc[:, None], cell, _complement(cell, pbc))
    steps = np.diff(dipoles, axis=0) @ np.linalg.inv(lattice)
    quanta = np.where(pbc, np.round(steps), 0.0)
    farthest = float(np.abs(np.where(pbc, steps - quanta, 0.0)).max())
    if farthest > SURE:
        warnings.warn(
            f"the dipole moves by up to {farthest:.2f} quanta of the polarization between two frames, so that its "
            "branch is a guess: keep more frames, or give `model` to compute a dipole that does not jump",
            AtnnWarning,
            stacklevel=2,
        )
    jumps = np.concatenate([np.zeros_like(dipoles[:1]), np.cumsum(quanta, axis=0)])
    return dipoles - jumps @ lattice


def _complement(cell: Float[np.ndarray, "3 3"], pbc: Bool[np.ndarray, " 3"]) -> Float[np.ndarray, "3 3"]:
    """Rows that make the lattice a basis of space where a vector is not periodic, or not given."""
    _, _, space = np.linalg.svd(cell[pbc], full_matrices=True)
    rows = np.zeros((3, 3))
    rows[~pbc] = space[int(pbc.sum()) :]
    return rows
