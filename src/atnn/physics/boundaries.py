"""Boundary conditions for which an electrostatic energy is defined, and the dipole correction of slabs."""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from atnn.atoms import MINIMAL_VOLUME
from atnn.errors import DataError

Background = Literal["none", "uniform"]
NEUTRAL = 1e-3  # e; total charge below which a cell counts as neutral, as sums of float32 charges are not exactly zero


def check_boundaries(
    cell: Float[Tensor, "structures 3 3"],
    pbc: Bool[Tensor, "structures 3"],
    total: Float[Tensor, " structures"],
    background: Background,
) -> None:
    """Refuse structures whose electrostatic energy is not defined.

    Args:
        cell: Lattice vectors [Angstrom].
        pbc: Periodic directions.
        total: Sum of the charges of each structure [e].
        background: Whether a uniform background may neutralise charged cells.

    Raises:
        DataError: A structure is periodic along one direction, is a charged cell without a background, is a charged
            slab, or is a slab whose cell has no third vector.
    """
    directions = pbc.sum(1)
    charged = total.detach().abs() > NEUTRAL
    flat = cell.detach().det().abs() < MINIMAL_VOLUME
    _refuse(
        directions == 1,
        "electrostatics cannot treat a structure that is periodic along one direction",
        "make it periodic in three directions with vacuum around it, or in none",
    )
    _refuse(
        (directions == 2) & flat,
        "electrostatics cannot treat a slab whose cell has no third vector",
        "give the cell a third lattice vector that leaves vacuum above the slab",
    )
    _refuse(
        (directions == 2) & charged,
        "the energy of a charged slab grows with the vacuum around it",
        "neutralise it, or make it periodic in three directions with `background: uniform`",
    )
    if background == "none":
        _refuse(
            (directions == 3) & charged,
            "the energy of a charged periodic cell is infinite without a background",
            "set `background: uniform`, or use charges that sum to zero",
        )


def _refuse(wrong: Bool[Tensor, " structures"], what: str, remedy: str) -> None:
    if bool(wrong.any()):
        index = wrong.nonzero()[:, 0].tolist()
        raise DataError(what, where=f"{len(index)} structures, the first with index {index[0]}", remedy=remedy)


def slab_normal(cell: Float[Tensor, "3 3"], pbc: Bool[Tensor, "3"]) -> tuple[Float[Tensor, "3"], Float[Tensor, ""]]:
    """Unit normal of the two periodic lattice vectors and the area that they span [Angstrom^2]."""
    first, second = cell[pbc]
    normal = torch.linalg.cross(first, second)
    area = torch.linalg.vector_norm(normal)
    return normal / area, area


def slab_dipole_factor(cell: Float[Tensor, "3 3"]) -> Float[Tensor, ""]:
    """Factor ``4 pi / V`` of the slab correction [1/Angstrom^3].

    The correction is half this factor times the squared dipole along the normal. It removes from a three-dimensional
    sum the interaction of a slab's dipole with its images above and below.
    I.-C. Yeh, M. L. Berkowitz, J. Chem. Phys. 1999, 111, 3155, doi:10.1063/1.479595.
    """
    return 4 * math.pi / torch.linalg.det(cell).abs()


def check_vacuum(
    positions: Float[Tensor, "atoms 3"], cell: Float[Tensor, "3 3"], pbc: Bool[Tensor, "3"], cutoff: float
) -> None:
    """Refuse a slab whose vacuum is thinner than the cutoff or than the longest period of the surface.

    The interaction with images beyond that of the dipoles decays as exp(-2 pi vacuum / period), to 0.2 % at one period.

    Raises:
        DataError: There is too little vacuum. The message states the height that the cell needs.
    """
    positions, cell = positions.detach(), cell.detach()
    normal, area = slab_normal(cell, pbc)
    heights = positions @ normal
    first, second = cell[pbc]
    edges = torch.stack([first, second, first + second, first - second]).norm(dim=1)
    spread, height = float(heights.max() - heights.min()), float(cell.det().abs() / area)
    needed = max(cutoff, float(area / edges.min()))
    if height - spread < needed:
        raise DataError(
            f"a slab has {height - spread:.1f} Angstrom of vacuum, but electrostatics need {needed:.1f}",
            remedy=f"make the cell at least {spread + needed:.1f} Angstrom high along the surface normal",
        )
