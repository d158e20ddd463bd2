"""Atoms far from the origin or outside their cell are brought home before positions are rounded to float32."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from atnn.structures import Neighbors, Structures


class Home(NamedTuple):
    """Translations that leave all distances as they are and make all coordinates small.

    Attributes:
        origins: Point of each structure that becomes its origin [Angstrom], float64.
        wraps: Lattice vectors by which each atom lies outside its cell; integers in float64.
    """

    origins: Float[Tensor, "structures 3"]
    wraps: Float[Tensor, "atoms 3"]

    def displacements(self, structures: Structures) -> Float[Tensor, "atoms 3"]:
        """Compute the vectors that bring the atoms home when they are subtracted from the positions, float64."""
        return _translate(self.wraps, structures) + self.origins.index_select(0, structures.batch)

    def shift_pairs(self, neighbors: Neighbors) -> Neighbors:
        """Correct the lattice translations of the pairs for atoms at home."""
        wraps = self.wraps.index_select(0, neighbors.j) - self.wraps.index_select(0, neighbors.i)
        return neighbors._replace(shifts=(neighbors.shifts.double() + wraps).to(neighbors.shifts.dtype))


def find_home(structures: Structures) -> Home:
    """Find the home of every atom: within the cell along periodic directions, and around the median of its structure.

    The median lies among the atoms, also where one of them is very far from all others.
    """
    positions = structures.positions.detach().double()
    wraps = torch.zeros_like(positions)
    if bool(structures.pbc.any()):
        wraps = torch.floor(_fractions(positions, structures))
    inside = positions - _translate(wraps, structures)
    return Home(_medians(inside, structures), wraps)


def _medians(positions: Tensor, structures: Structures) -> Tensor:
    """Median of each coordinate over the atoms of each structure."""
    order = positions.argsort(dim=0)
    order = order.gather(0, structures.batch[order].argsort(dim=0, stable=True))
    ranked, counts = positions.gather(0, order), structures.counts
    starts = torch.cumsum(counts, 0) - counts
    # Of an even number of atoms the mean of the middle two, so that the home of a mirror image is the mirrored home.
    lower, upper = (starts + torch.div(k, 2, rounding_mode="floor").clamp(min=0) for k in (counts - 1, counts))
    return 0.5 * (ranked[lower] + ranked[upper])


def _fractions(positions: Tensor, structures: Structures) -> Tensor:
    """Positions in units of the periodic lattice vectors; zero along the others."""
    lattice = structures.cell.double() * structures.pbc[:, :, None]
    # The rows and columns of directions without periodicity are empty; ones on the diagonal make it invertible.
    metric = lattice @ lattice.mT + torch.diag_embed((~structures.pbc).double())
    inverse = lattice.mT @ torch.linalg.inv(metric)
    return torch.einsum("ax,axc->ac", positions, inverse.index_select(0, structures.batch))


def _translate(wraps: Tensor, structures: Structures) -> Tensor:
    return torch.einsum("ac,acx->ax", wraps, structures.cell.double().index_select(0, structures.batch))
