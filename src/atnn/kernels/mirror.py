"""Expansion of a half pair list to a full one that is sorted by center and knows every pair's reverse."""

from __future__ import annotations

import torch
from jaxtyping import Int, Int32, Int64
from torch import Tensor

from atnn.kernels.pairs import is_fused

torch.library.define(
    "atnn::mirror_pairs", "(Tensor i, Tensor j, Tensor shifts, int atoms) -> (Tensor, Tensor, Tensor, Tensor, Tensor)"
)


def mirror_pairs(
    i: Int64[Tensor, " half"], j: Int64[Tensor, " half"], shifts: Int32[Tensor, "half 3"], atoms: int
) -> tuple[
    Int64[Tensor, " pairs"],
    Int64[Tensor, " pairs"],
    Int32[Tensor, "pairs 3"],
    Int64[Tensor, " pairs"],
    Int[Tensor, " atoms_plus_1"],
]:
    """Return centers, neighbors, shifts, index of the reverse pair and row offsets of the full list."""
    if is_fused(i):
        return torch.ops.atnn.mirror_pairs(i, j, shifts, atoms)
    half = len(i)
    center, neighbor = torch.cat([i, j]), torch.cat([j, i])
    order = torch.argsort(center, stable=True)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(2 * half, device=i.device)
    opposite = torch.arange(2 * half, device=i.device).roll(half)
    counts = torch.bincount(center, minlength=atoms)
    offsets = torch.cat([counts.new_zeros(1), torch.cumsum(counts, 0)])
    return center[order], neighbor[order], torch.cat([shifts, -shifts])[order], rank[opposite[order]], offsets
