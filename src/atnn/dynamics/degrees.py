"""Degrees of freedom that carry kinetic energy, and the momenta that take some of them away."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from atnn.structures import Structures

LINEAR_INERTIA = 1e-5  # smallest over largest principal moment below which a structure counts as linear
ZERO_MOMENTUM = 1e-4  # total momentum, relative to its parts, that float32 velocities leave after removal


def free_degrees(structures: Structures, free: Bool[Tensor, " atoms"] | None) -> Int[Tensor, " structures"]:
    """Three degrees of freedom for each atom that moves."""
    if free is None:
        return 3 * structures.counts
    counts = torch.zeros(len(structures), dtype=torch.int64, device=free.device)
    return 3 * counts.index_add_(0, structures.batch, free.long())


def conserved_degrees(
    structures: Structures,
    velocities: Float[Tensor, "atoms 3"],
    masses: Float[Tensor, " atoms"],
    free: Bool[Tensor, " atoms"] | None,
) -> Int[Tensor, " structures"]:
    """Degrees of freedom left when the momenta that are zero stay zero, as they do in an isolated system.

    An electric field turns molecules, and it pulls at charged ones.
    """
    degrees = free_degrees(structures, free)
    if free is not None and not bool(free.all()):
        return degrees
    momenta = masses.double()[:, None] * velocities.double()
    still = _vanishes(structures, momenta, momenta.norm(dim=1))
    in_field = (structures.applied_field != 0).any(1)
    still = still & ~(in_field & (structures.total_charge != 0))
    degrees = degrees - 3 * still.long()
    arms, inertia = inertia_tensors(structures, masses)
    turning = torch.linalg.cross(arms, momenta)
    moments = torch.linalg.eigvalsh(inertia)
    rank = (moments > LINEAR_INERTIA * moments[:, -1:].clamp(min=1e-12)).sum(1)
    still_turning = _vanishes(structures, turning, arms.norm(dim=1) * momenta.norm(dim=1)) & ~structures.pbc.any(1)
    still_turning = still_turning & ~in_field
    return (degrees - rank * still_turning.long()).clamp(min=0)


def inertia_tensors(
    structures: Structures, masses: Float[Tensor, " atoms"]
) -> tuple[Float[Tensor, "atoms 3"], Float[Tensor, "structures 3 3"]]:
    """Positions relative to the center of mass [Angstrom] and tensors of inertia [amu Angstrom^2]."""
    weights = masses.double()
    positions = structures.positions.double()
    total = sum_atoms(structures, weights)
    center = sum_atoms(structures, weights[:, None] * positions) / total[:, None]
    arms = positions - center[structures.batch]
    identity = torch.eye(3, dtype=arms.dtype, device=arms.device)
    square = arms.square().sum(1)[:, None, None] * identity - arms[:, :, None] * arms[:, None, :]
    return arms, sum_atoms(structures, weights[:, None, None] * square)


def sum_atoms(structures: Structures, values: Float[Tensor, "atoms *rest"]) -> Float[Tensor, "structures *rest"]:
    """Sum over the atoms of each structure."""
    total = values.new_zeros((len(structures), *values.shape[1:]))
    return total.index_add_(0, structures.batch, values)


def _vanishes(
    structures: Structures, parts: Float[Tensor, "atoms 3"], sizes: Float[Tensor, " atoms"]
) -> Bool[Tensor, " structures"]:
    total = sum_atoms(structures, parts).norm(dim=1)
    return total <= ZERO_MOMENTUM * sum_atoms(structures, sizes)
