"""Boundary conditions under which charges have an energy, and what a slab adds to a sum over all space."""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from atnn.errors import DataError
from atnn.structures import MINIMAL_VOLUME

Background = Literal["none", "uniform"]
NEUTRAL = 1e-3  # e; below this a cell counts as neutral: sums of float32 charges are not exactly zero


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
        DataError: Periodicity along one direction; a charged cell without a background, or that of a slab; a slab
            whose cell has no third vector.
    """
    directions = pbc.sum(1)
    charged = total.detach().abs() > NEUTRAL
    flat = cell.detach().det().abs() < MINIMAL_VOLUME
    _refuse(
        directions == 1,
        "electrostatics of a structure that is periodic along one direction",
        "make it periodic in three directions with vacuum around it, or in none",
    )
    _refuse(
        (directions == 2) & flat,
        "electrostatics of a slab whose cell has no third vector",
        "give the cell a third lattice vector that leaves vacuum above the slab",
    )
    _refuse(
        (directions == 2) & charged,
        "a charged slab, whose energy grows with the vacuum around it",
        "neutralise it, or make it periodic in three directions with `background: uniform`",
    )
    if background == "none":
        _refuse(
            (directions == 3) & charged,
            "a charged periodic cell, whose energy is infinite without a background",
            "give `background: uniform`, or charges that sum to zero",
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
    """``4 pi / V`` [1/Angstrom^3]: half of it times the squared dipole along the normal is the correction.

    A sum over three-dimensional images, in which a slab's dipole meets those of its images above and below, becomes
    that of a single slab. I.-C. Yeh, M. L. Berkowitz, J. Chem. Phys. 1999, 111, 3155, doi:10.1063/1.479595.
    """
    return 4 * math.pi / torch.linalg.det(cell).abs()


def check_vacuum(
    positions: Float[Tensor, "atoms 3"], cell: Float[Tensor, "3 3"], pbc: Bool[Tensor, "3"], cutoff: float
) -> None:
    """Refuse a slab too near to its images: closer than the cutoff, or than the longest period of the surface.

    What the images' charges do beyond their dipole decays as exp(-2 pi vacuum / period), to 0.2 % at one period.

    Raises:
        DataError: Too little vacuum, with the length that the third lattice vector needs.
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
            f"a slab with {height - spread:.1f} Angstrom of vacuum, of which electrostatics need {needed:.1f}",
            remedy=f"give a third lattice vector of at least {spread + needed:.1f} Angstrom above the surface",
        )
