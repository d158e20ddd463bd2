"""From orbital sums to densities, the invariants of EANN and REANN."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from atnn.representations.orbitals import degree_slices


def squares(sums: Float[Tensor, "atoms m channels"], degree: int) -> Float[Tensor, "atoms degrees channels"]:
    """Densities of each degree and channel, ``sum_{m in l} (W^{m,k})^2``."""
    squared = sums * sums
    return torch.stack([squared[:, part].sum(1) for part in degree_slices(degree)], dim=1)


class Density(nn.Module):
    """Densities of orbitals contracted over the radial channels, per degree:

        rho^{l,p} = sum_{m in l} (sum_k H_{l,k,p} W^{m,k})^2

    evaluated through the Gram matrices ``S^l_{kk'} = sum_{m in l} W^{m,k} W^{m,k'}`` as
    ``rho^{l,p} = sum_{k <= k'} Q_{l,kk',p} S^l_{kk'}``, so that no tensor with both m and p is formed.

    Args:
        channels: Radial channels k.
        degree: Largest degree L.
        contracted: Densities p per degree.
    """

    first: Tensor
    second: Tensor
    twice: Tensor

    def __init__(self, channels: int, degree: int, contracted: int):
        super().__init__()
        self.degree = degree
        self.mixing = nn.Parameter(torch.randn(degree + 1, channels, contracted) / channels**0.5)
        first, second = torch.triu_indices(channels, channels)
        self.register_buffer("first", first, persistent=False)
        self.register_buffer("second", second, persistent=False)
        self.register_buffer("twice", torch.where(first == second, 1.0, 2.0), persistent=False)

    def quadratic_forms(self) -> Float[Tensor, "degrees pairs contracted"]:
        """``Q_{l,kk',p} = (2 - delta_kk') H_{l,k,p} H_{l,k',p}``."""
        return self.mixing[:, self.first] * self.mixing[:, self.second] * self.twice[:, None]

    def gram(self, sums: Float[Tensor, "atoms m channels"]) -> Float[Tensor, "atoms degrees pairs"]:
        """Upper triangles of the Gram matrices of each degree."""
        products = sums.index_select(2, self.first) * sums.index_select(2, self.second)
        return torch.stack([products[:, part].sum(1) for part in degree_slices(self.degree)], dim=1)

    def forward(self, sums: Float[Tensor, "atoms m channels"]) -> Float[Tensor, "atoms degrees contracted"]:
        """Densities, degree by degree (EANN)."""
        return torch.einsum("alq,lqp->alp", self.gram(sums), self.quadratic_forms())

    def summed(self, sums: Float[Tensor, "atoms m channels"]) -> Float[Tensor, "atoms contracted"]:
        """Densities summed over the degrees (REANN), one matrix product."""
        return self.gram(sums).flatten(1) @ self.quadratic_forms().flatten(0, 1)
