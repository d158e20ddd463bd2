"""Dipoles of charged molecules, which depend on the point that they are taken about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from ase.data import atomic_masses
from jaxtyping import Bool, Float
from torch import Tensor

from atnn.errors import DataError, suggest
from atnn.reading.raw import DIPOLE_ORIGIN, RawFrame
from atnn.structures import Structures

Origin = Literal["coordinates", "mass", "nuclear_charge"]
ORIGINS = get_args(Origin)


def shift_dipoles(
    dipoles: Float[Tensor, "structures 3"],
    mask: Bool[Tensor, " structures"],
    structures: Structures,
    frames: Sequence[RawFrame],
    declared: str | None,
) -> Float[Tensor, "structures 3"]:
    """Shift the dipoles of ions to the origin of the coordinates, ``mu = mu_0 + Q R_0``.

    Dipoles of neutral molecules depend on no origin, and those of periodic structures are left as they are.

    Args:
        dipoles: Labels [e Angstrom].
        mask: Which structures have a label.
        structures: The structures.
        frames: Their frames, which may state the origin under ``dipole_origin``.
        declared: The point that dipoles are taken about: ``coordinates``, the origin of the coordinates; ``mass``, the
            center of mass with standard atomic weights; ``nuclear_charge``, the center of the charges of the nuclei.

    Raises:
        DataError: An ion has a dipole, and nobody states the origin; or what is stated is no known origin.
    """
    ions = mask & (structures.total_charge != 0) & ~structures.pbc.any(1)
    shifts = torch.zeros_like(dipoles)
    for index in ions.nonzero()[:, 0].tolist():
        frame = frames[index]
        origin = frame.info.get(DIPOLE_ORIGIN, declared)
        if origin is None:
            raise DataError(
                f"a dipole of an ion of charge {float(structures.total_charge[index]):g}, which depends on its origin",
                where=frame.where,
                remedy=f"state dipole_origin, one of {', '.join(ORIGINS)}: the origin of the coordinates, or the "
                "center of mass or of the charges of the nuclei",
            )
        if origin not in ORIGINS:
            remedy = f"{suggest(str(origin), ORIGINS)}known: {', '.join(ORIGINS)}"
            raise DataError(f"no origin of dipoles is called {origin!r}", where=frame.where, remedy=remedy)
        shifts[index] = structures.total_charge[index] * _find_origin(structures.select([index]), origin)
    return dipoles + shifts


def _find_origin(structure: Structures, origin: str) -> Float[Tensor, "3"]:
    """Find the point [Angstrom] that an origin names."""
    if origin == "coordinates":
        return torch.zeros(3, dtype=structure.positions.dtype)
    numbers = structure.numbers
    weights = torch.as_tensor(atomic_masses)[numbers] if origin == "mass" else numbers
    weights = weights.to(structure.positions)
    return weights @ structure.positions / weights.sum()
