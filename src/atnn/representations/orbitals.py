"""Gaussian-type orbitals of the neighbors, from which EANN and REANN build the embedded density."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import softplus

from atnn.functions import PerElement, Species
from atnn.kernels import cosine_squared, gather_neighbors
from atnn.structures import Edges


class GaussianOrbitals(nn.Module):
    """Radial part of the orbitals: Gaussians whose widths and centers depend on the neighbor's element.

        g_k(r) = f_c(r) exp(-a_{z,k} (r - r_{z,k})^2),   a > 0 through softplus

    The published codes leave the sign of ``a`` free, and a training step can turn a Gaussian into a growing
    function; softplus excludes that.

    Args:
        species: The elements.
        channels: Radial channels k.
        cutoff: Cutoff of f_c [Angstrom].
    """

    def __init__(self, species: Species, channels: int, cutoff: float):
        super().__init__()
        self.cutoff = cutoff
        centers = torch.linspace(0.0, cutoff * (1 - 1 / channels), channels)
        spacing = cutoff / channels
        width = torch.full((channels,), 0.5 / spacing**2)
        start = torch.cat([centers, torch.log(torch.expm1(width))])
        self.gaussians = PerElement(species, start.repeat(len(species.numbers), 1))

    def forward(self, edges: Edges, element: Int[Tensor, " atoms"]) -> Float[Tensor, "pairs channels"]:
        """Radial values of every pair, the cutoff function included."""
        centers, widths = self.gaussians().chunk(2, dim=1)
        parameters = torch.cat([centers, softplus(widths)], dim=1).index_select(0, element)
        centers, widths = gather_neighbors(parameters, edges.j, edges.reverse, edges.offsets).chunk(2, dim=1)
        distance = edges.lengths[:, None] - centers
        # exp(-64) vanishes beside 1 even in float64; smaller values become denormal and a hundred times slower.
        gaussians = torch.exp(-torch.clamp(widths * distance * distance, max=64.0))
        return cosine_squared(edges.lengths, self.cutoff)[:, None] * gaussians


def monomials(vectors: Float[Tensor, "pairs 3"], degree: int) -> Float[Tensor, "pairs m"]:
    """Cartesian monomials of degree 0 to ``degree`` (at most 3), times the root of their multinomial factor.

    With that factor the sum of squares over the components of one degree is the full tensor contraction
    ``sum l!/(lx! ly! lz!) (x^lx y^ly z^lz)^2``, and two vectors give ``(r . r')^l``.
    """
    x, y, z = vectors.unbind(1)
    columns = [torch.ones_like(x)]
    if degree >= 1:
        columns += [x, y, z]
    if degree >= 2:
        root2 = math.sqrt(2.0)
        xx, yy, zz, xy, xz, yz = x * x, y * y, z * z, x * y, x * z, y * z
        columns += [xx, yy, zz, root2 * xy, root2 * xz, root2 * yz]
    if degree >= 3:
        root3, root6 = math.sqrt(3.0), math.sqrt(6.0)
        columns += [xx * x, yy * y, zz * z]
        columns += [root3 * p for p in (xx * y, xx * z, yy * x, yy * z, zz * x, zz * y)]
        columns.append(root6 * xy * z)
    return torch.stack(columns, dim=1)


def degree_slices(degree: int) -> list[slice]:
    """Columns of :func:`monomials` that belong to each degree."""
    sizes = [(d + 1) * (d + 2) // 2 for d in range(degree + 1)]
    ends = [sum(sizes[: d + 1]) for d in range(degree + 1)]
    return [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
