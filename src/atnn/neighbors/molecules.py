"""All pairs of atoms within molecules, for interactions without a cutoff."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def molecular_pairs(batch: Int[Tensor, " atoms"], molecules: Bool[Tensor, " structures"]) -> Int[Tensor, "2 pairs"]:
    """List every pair of atoms within each marked structure once, at any distance.

    Args:
        batch: Structure of each atom, ascending.
        molecules: Marks the structures whose pairs are listed.

    Returns:
        First and second atom of each pair.
    """
    atoms = torch.arange(len(batch), device=batch.device)
    ends = torch.cumsum(torch.bincount(batch, minlength=len(molecules)), 0)[batch]
    partners = torch.where(molecules[batch], ends - 1 - atoms, 0)
    first = torch.repeat_interleave(atoms, partners)
    rank = torch.arange(len(first), device=first.device) - (torch.cumsum(partners, 0) - partners)[first]
    return torch.stack([first, first + 1 + rank])
