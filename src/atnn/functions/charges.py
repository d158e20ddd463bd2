"""Conservation of the total charge."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def conserve_charges(
    raw: Float[Tensor, " atoms"], charge: Float[Tensor, " structures"], batch: Int[Tensor, " atoms"]
) -> Float[Tensor, " atoms"]:
    """Shift the charges of each structure by a common amount, so that they sum to its total charge.

        q_i = q~_i + (Q - sum_j q~_j) / N

    O. T. Unke et al., Nat. Commun. 2021, 12, 7273, doi:10.1038/s41467-021-27504-0.

    Args:
        raw: Charges before the shift [e].
        charge: Total charge of each structure [e].
        batch: Structure of each atom.

    >>> conserve_charges(torch.tensor([0.5, -0.1, 2.0]), torch.tensor([0.0, 1.0]), torch.tensor([0, 0, 1]))
    tensor([ 0.3000, -0.3000,  1.0000])
    """
    # float64, because the excess is a small difference of sums over many atoms.
    excess = charge.double().index_add(0, batch, raw.double(), alpha=-1)
    count = torch.zeros_like(excess).index_add(0, batch, torch.ones_like(raw, dtype=torch.float64))
    return (raw + (excess / count.clamp(min=1))[batch]).to(raw.dtype)
