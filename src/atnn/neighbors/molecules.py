"""All pairs of atoms of molecules, for interactions without a cutoff."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def molecular_pairs(batch: Int[Tensor, " atoms"], molecules: Bool[Tensor, " structures"]) -> Int[Tensor, "2 pairs"]:
    """Both atoms of every pair within each of the structures marked, each pair once, however far.

    Args:
        batch: Structure of each atom, ascending.
        molecules: Which structures.
    """
    atoms = torch.arange(len(batch), device=batch.device)
    ends = torch.cumsum(torch.bincount(batch, minlength=len(molecules)), 0)[batch]
    partners = torch.where(molecules[batch], ends - 1 - atoms, 0)
    first = torch.repeat_interleave(atoms, partners)
    rank = torch.arange(len(first), device=first.device) - (torch.cumsum(partners, 0) - partners)[first]
    return torch.stack([first, first + 1 + rank])
