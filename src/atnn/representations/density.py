"""Densities computed from orbital sums, the invariants of EANN and REANN."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from atnn.representations.orbitals import degree_slices


def sum_squares(sums: Float[Tensor, "atoms m channels"], degree: int) -> Float[Tensor, "atoms degrees channels"]:
    """Sum squares over the components of each degree, ``sum_{m in l} (W^{m,k})^2``."""
    squared = sums * sums
    return torch.stack([squared[:, part].sum(1) for part in degree_slices(degree)], dim=1)


class Density(nn.Module):
    """Densities of orbitals contracted over the radial channels, for each degree:

        rho^{l,p} = sum_{m in l} (sum_k H_{l,k,p} W^{m,k})^2

    They are evaluated as ``rho^{l,p} = sum_{kk'} Q_{l,kk',p} S^l_{kk'}`` with the Gram matrices
    ``S^l_{kk'} = sum_{m in l} W^{m,k} W^{m,k'}``, so that no tensor with both m and p is formed.

    Args:
        channels: Radial channels k.
        degree: Largest degree L.
        contracted: Number of densities p per degree.
    """

    def __init__(self, channels: int, degree: int, contracted: int):
        super().__init__()
        self.degree = degree
        self.mixing = nn.Parameter(torch.randn(degree + 1, channels, contracted) / channels**0.5)

    def quadratic_forms(self) -> Float[Tensor, "degrees channels channels contracted"]:
        """Return ``Q_{l,kk',p} = H_{l,k,p} H_{l,k',p}``."""
        return self.mixing[:, :, None] * self.mixing[:, None]

    def gram(self, sums: Float[Tensor, "atoms m channels"]) -> Float[Tensor, "atoms degrees channels channels"]:
        """Compute the Gram matrix of each degree."""
        products = sums[:, :, :, None] * sums[:, :, None, :]
        return torch.stack([products[:, part].sum(1) for part in degree_slices(self.degree)], dim=1)

    def forward(self, sums: Float[Tensor, "atoms m channels"]) -> Float[Tensor, "atoms degrees contracted"]:
        """Compute the densities of each degree (EANN)."""
        return torch.einsum("alkj,lkjp->alp", self.gram(sums), self.quadratic_forms())

    def sum_degrees(self, sums: Float[Tensor, "atoms m channels"]) -> Float[Tensor, "atoms contracted"]:
        """Sum the densities over the degrees (REANN) by one matrix product."""
        return self.gram(sums).flatten(1) @ self.quadratic_forms().flatten(0, 2)
