"""Pairs of structures far wider than the cutoff.

vesin divides the space into cells of the size of the cutoff. Where their number overflows it divides by zero, which
ends the process. A tree of the atoms knows no cells.
"""

from __future__ import annotations

import itertools

import numpy as np
from scipy.spatial import cKDTree

from atnn.errors import DataError

WIDEST = 1e3  # cutoffs that atoms or a cell may extend over for vesin to find the pairs
FARTHEST = 1e13  # Angstrom; further out, positions in float64 are rounded by more than 1e-3 Angstrom
MOST_SHIFTS = 2**30  # lattice vectors; shifts are integers of 32 bits
MOST_IMAGES = 10_000_000


def measure_extent(positions: np.ndarray, cells: np.ndarray, ends: np.ndarray) -> float:
    """Measure how far positions [atoms, 3] and cells [structures, 3, 3] of a batch extend at most [Angstrom].

    Raises:
        DataError: Something is NaN, infinite, or beyond :data:`FARTHEST`.
    """
    if len(positions) == 0:
        return 0.0
    low, high = positions.min(), positions.max()
    size = max(float(cells.max(initial=0.0)), -float(cells.min(initial=0.0)))
    extent = max(float(high) - float(low), size)
    if low > -FARTHEST and high < FARTHEST and size < FARTHEST:
        return extent
    bad = ~(np.abs(positions) < FARTHEST).all(1)
    if bad.any():
        atom = int(bad.argmax())
        index = int(np.searchsorted(ends, atom, side="right"))
        place = ", ".join(f"{x:g}" for x in positions[atom])
        where = f"structure {index}, atom {atom - (int(ends[index - 1]) if index else 0)}"
        problem = f"the position ({place}) Angstrom is NaN, infinite or farther than {FARTHEST:g} Angstrom out"
    else:
        index = int((~(np.abs(cells) < FARTHEST).all((1, 2))).argmax())
        where, problem = f"structure {index}", f"the cell is NaN, infinite or larger than {FARTHEST:g} Angstrom"
    raise DataError(problem, where=where, remedy="repair the structure; in dynamics take a smaller time step")


def wide_half_list(
    positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray, cutoff: float, where: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find each pair once, as :func:`atnn.neighbors.pairs.half_list` does, by a tree of atoms and images.

    Raises:
        DataError: An atom is so many lattice vectors outside the cell, or the cell so flat, that there is no list.
    """
    lattice = np.where(pbc[:, None], cell, 0.0)
    inverse = np.linalg.pinv(lattice)
    outside = np.floor(positions @ inverse) * pbc
    if len(positions) and np.abs(outside).max() > MOST_SHIFTS:
        atom = int(np.abs(outside).max(1).argmax())
        raise DataError(
            f"atom {atom} lies {np.abs(outside[atom]).max():.3g} lattice vectors outside the cell",
            where=where,
            remedy="wrap the atoms into the cell",
        )
    home = positions - outside @ lattice
    # The columns of the inverse are the normals of the faces, of the length of one over the height.
    reach = np.where(pbc, np.ceil(cutoff * np.linalg.norm(inverse, axis=0)), 0).astype(int)
    if np.prod(2.0 * reach + 1) * max(len(positions), 1) > MOST_IMAGES:
        raise DataError(
            f"the cell is so flat that {np.prod(2.0 * reach + 1):.3g} images lie within {cutoff:g} Angstrom",
            where=where,
            remedy="correct the lattice vectors",
        )
    tree, low, high = cKDTree(home), home.min(0, initial=np.inf) - cutoff, home.max(0, initial=-np.inf) + cutoff
    found = []
    for image in itertools.product(*(range(-n, n + 1) for n in reach)):
        moved = home + np.array(image) @ lattice
        near = np.flatnonzero(((moved >= low) & (moved <= high)).all(1))
        pairs = tree.sparse_distance_matrix(cKDTree(moved[near]), cutoff, output_type="ndarray")
        i, j = pairs["i"].astype(np.int64), near[pairs["j"]]
        once = (i < j) | ((i == j) & (image > (0, 0, 0)))
        found.append((i[once], j[once], image + outside[i[once]] - outside[j[once]]))
    i, j, shifts = (np.concatenate(part) for part in zip(*found, strict=True))
    return i, j, shifts.astype(np.int32)
