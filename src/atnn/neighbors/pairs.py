"""Full pair lists by vesin (https://github.com/Luthaf/vesin), one structure of a batch at a time."""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
import vesin
from torch import Tensor

from atnn.errors import DataError, SpecificationError
from atnn.kernels import gather_centers, gather_neighbors, mirror_pairs
from atnn.neighbors.wide import WIDEST, measure_extent, wide_half_list
from atnn.structures import Edges, Neighbors, Structures

FLATTEST = 1e-3  # Angstrom; smallest singular value of the periodic lattice vectors
CLOSEST = 0.1  # Angstrom; atoms nearer than that are a mistake, as no model and no method describes them


def neighbor_pairs(structures: Structures, cutoff: float) -> Neighbors:
    """Find all pairs closer than the cutoff, including periodic images.

    Args:
        structures: A batch; no pair joins two structures. Atoms may lie outside the cell, and the cell may be
            smaller than the cutoff.
        cutoff: Distance up to which atoms are neighbors [Angstrom].

    Raises:
        SpecificationError: The cutoff is not a positive number.
        DataError: Positions or cells are NaN, infinite or too large to hold a geometry.
    """
    if not 0 < cutoff < math.inf:
        raise SpecificationError(f"the cutoff must be positive, not {cutoff}", remedy="give it in Angstrom")
    positions = structures.positions.detach().cpu().to(torch.float64).numpy()
    cells = structures.cell.detach().cpu().to(torch.float64).numpy()
    pbc = structures.pbc.cpu().numpy()
    ends = np.cumsum(structures.counts.cpu().numpy())
    # One look at the whole batch: a look at each structure would cost as much as its list.
    wide = measure_extent(positions, cells, ends) > WIDEST * cutoff
    halves, start = [], 0
    for index, end in enumerate(ends):
        i, j, shifts = half_list(
            positions[start:end], cells[index], pbc[index], float(cutoff), wide, f"structure {index}"
        )
        halves.append((i + start, j + start, shifts) if start else (i, j, shifts))
        start = end
    i, j, shifts = halves[0] if len(halves) == 1 else (np.concatenate(part) for part in zip(*halves, strict=True))
    both = mirror_pairs(torch.from_numpy(i), torch.from_numpy(j), torch.from_numpy(shifts), len(positions))
    centers, neighbors, translations, reverse, offsets = (part.to(structures.positions.device) for part in both)
    return Neighbors(centers, neighbors, translations.to(structures.positions.dtype), reverse, offsets)


def half_list(
    positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray, cutoff: float, wide: bool = False, where: str = ""
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find each pair of one structure once: first and second atom [pairs], and shifts [pairs, 3].

    Args:
        positions: Finite positions [atoms, 3], see :func:`atnn.neighbors.wide.measure_extent`.
        cell: Lattice vectors [3, 3].
        pbc: Periodicity [3].
        cutoff: Distance up to which atoms are neighbors [Angstrom].
        wide: Whether the atoms or the cell extend over more than :data:`WIDEST` cutoffs, too far for vesin.
        where: The structure, for messages.

    Raises:
        DataError: The periodic lattice vectors are parallel, or one has no length.
    """
    if pbc.any():
        _refuse_flat(cell[pbc], where)
    if wide:
        return wide_half_list(positions, cell, pbc, cutoff, where)
    box = _complete_cell(cell, pbc) if pbc.any() else np.zeros((3, 3))
    i, j, shifts = _calculator(cutoff).compute(points=positions, box=box, periodic=pbc.tolist(), quantities="ijS")
    return i.astype(np.int64), j.astype(np.int64), shifts.astype(np.int32, copy=False).reshape(-1, 3)


def _refuse_flat(lattice: np.ndarray, where: str) -> None:
    """Refuse periodic lattice vectors [1 to 3, 3] that span no volume or area; vesin divides by their heights."""
    if np.linalg.svd(lattice, compute_uv=False)[-1] < FLATTEST:
        raise DataError(
            "the periodic lattice vectors are parallel, or one has no length",
            where=where,
            remedy="correct the lattice vectors, or set pbc to False along one",
        )


@functools.lru_cache(maxsize=16)
def _calculator(cutoff: float) -> vesin.NeighborList:
    return vesin.NeighborList(cutoff=cutoff, full_list=False, n_threads=torch.get_num_threads())


def _complete_cell(cell: np.ndarray, pbc: np.ndarray) -> np.ndarray:
    """Fill missing, non-periodic lattice vectors with unit vectors, so that the cell has a volume."""
    if abs(np.linalg.det(cell)) > 1e-10:
        return cell
    cell = np.where(pbc[:, None], cell, 0.0)
    rows = [row for row, periodic in zip(cell, pbc, strict=True) if periodic]
    normal = np.linalg.svd(np.array(rows))[2][len(rows) :]
    completed, free = cell.copy(), iter(normal)
    for axis in np.flatnonzero(~pbc):
        completed[axis] = next(free)
    return completed


def select_pairs(neighbors: Neighbors, kept: Tensor) -> Neighbors:
    """Keep the pairs for which ``kept`` [pairs] is true for either direction."""
    i, j, shifts, reverse, _ = neighbors
    kept = kept if reverse is None else kept | kept[reverse]
    place = torch.cumsum(kept, 0)
    offsets = torch.cat([place.new_zeros(1), place])[neighbors.offsets]
    opposite = None if reverse is None else place[reverse[kept]] - 1
    return Neighbors(i[kept], j[kept], shifts[kept], opposite, offsets)


def refuse_contacts(structures: Structures, where: str = "", reach: float = 2.0) -> float:
    """Refuse atoms closer than :data:`CLOSEST`.

    Args:
        structures: A batch.
        where: File or caller, for messages.
        reach: How far to look [Angstrom]; vesin is slow where this is small.

    Returns:
        The shortest distance up to ``reach``, which is returned if there is none [Angstrom].

    Raises:
        DataError: Two atoms are that close. The message names the nearest two.
    """
    pairs = edges(structures, neighbor_pairs(structures, reach))
    if len(pairs.i) == 0:
        return reach
    nearest = int(pairs.lengths.argmin())
    if float(pairs.lengths[nearest]) >= CLOSEST:
        return float(pairs.lengths[nearest])
    i, j = int(pairs.i[nearest]), int(pairs.j[nearest])
    index = int(structures.batch[i])
    first = int((structures.batch < index).sum())
    raise DataError(
        f"atoms {i - first} and {j - first} are {float(pairs.lengths[nearest]):.3g} Angstrom apart; "
        f"no model describes atoms closer than {CLOSEST:g}",
        where=f"{where}: structure {index}" if where else f"structure {index}",
        remedy="move them apart, or remove the one that is there twice; in dynamics take a smaller time step",
    )


def edges(structures: Structures, neighbors: Neighbors) -> Edges:
    """Compute vectors and lengths of the pairs, differentiable by positions and cell."""
    shift = neighbors.shifts.to(structures.positions.dtype)
    cells = structures.cell[structures.batch[neighbors.i]]
    return edges_of(structures.positions, torch.einsum("ec,ecx->ex", shift, cells), neighbors)


def edges_of(positions: Tensor, translations: Tensor, neighbors: Neighbors) -> Edges:
    """Compute the edges from positions [atoms, 3] and Cartesian translations [pairs, 3] of the neighbors."""
    i, j, _, reverse, offsets = neighbors
    start = gather_centers(positions, i, offsets)
    vectors = gather_neighbors(positions, j, reverse, offsets) - start + translations
    return Edges(i, j, reverse, offsets, vectors, vector_lengths(vectors))


def vector_lengths(vectors: Tensor) -> Tensor:
    """Compute lengths [pairs] of vectors [pairs, 3], with finite derivatives even for coinciding atoms."""
    squared = vectors[:, 0] * vectors[:, 0] + vectors[:, 1] * vectors[:, 1] + vectors[:, 2] * vectors[:, 2]
    return torch.sqrt(squared + torch.finfo(vectors.dtype).tiny)
