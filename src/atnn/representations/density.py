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
    ``rho^{l,p} = sum_{kk'} Q_{l,kk',p} S^l_{kk'}``, so that no tensor with both m and p is formed.

    Args:
        channels: Radial channels k.
        degree: Largest degree L.
        contracted: Densities p per degree.
    """

    def __init__(self, channels: int, degree: int, contracted: int):
        super().__init__()
        self.degree = degree
        self.mixing = nn.Parameter(torch.randn(degree + 1, channels, contracted) / channels**0.5)

    def quadratic_forms(self) -> Float[Tensor, "degrees channels channels contracted"]:
        """``Q_{l,kk',p} = H_{l,k,p} H_{l,k',p}``."""
        return self.mixing[:, :, None] * self.mixing[:, None]

    def gram(self, sums: Float[Tensor, "atoms m channels"]) -> Float[Tensor, "atoms degrees channels channels"]:
        """Gram matrices of each degree."""
        products = sums[:, :, :, None] * sums[:, :, None, :]
        return torch.stack([products[:, part].sum(1) for part in degree_slices(self.degree)], dim=1)

    def forward(self, sums: Float[Tensor, "atoms m channels"]) -> Float[Tensor, "atoms degrees contracted"]:
        """Densities, degree by degree (EANN)."""
        return torch.einsum("alkj,lkjp->alp", self.gram(sums), self.quadratic_forms())

    def summed(self, sums: Float[Tensor, "atoms m channels"]) -> Float[Tensor, "atoms contracted"]:
        """Densities summed over the degrees (REANN), one matrix product."""
        return self.gram(sums).flatten(1) @ self.quadratic_forms().flatten(0, 2)
