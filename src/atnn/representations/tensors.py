"""Operations on spherical tensors of the atoms: [atoms, (L + 1)^2, channels], degree after degree."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from atnn.functions import PerElement, Species
from atnn.kernels import couple, moments
from atnn.so3 import couplings
from atnn.structures import Edges, Elements

Nodes = Float[Tensor, "atoms m channels"]


class Mixing(nn.Module):
    """Linear map of the channels, one matrix per degree.

    Args:
        channels: Channels of each result.
        degree: Largest degree.
        inputs: Channels that are mixed; none for as many.
        results: Number of results, computed as one.
    """

    def __init__(self, channels: int, degree: int, inputs: int | None = None, results: int = 1):
        super().__init__()
        inputs, self.results = inputs or channels, results
        self.weight = nn.Parameter(torch.randn(degree + 1, inputs, results * channels) / math.sqrt(inputs))

    def forward(self, nodes: Float[Tensor, "atoms m inputs"]) -> Nodes:
        """Mixed channels, those of all results side by side."""
        parts = by_degree(nodes, len(self.weight) - 1)
        return torch.cat([_mixed(part, weight) for part, weight in zip(parts, self.weight, strict=True)], dim=1)

    def split(self, nodes: Float[Tensor, "atoms m inputs"]) -> tuple[Tensor, ...]:
        """The results one by one."""
        return self.forward(nodes).chunk(self.results, dim=2)


class ElementScale(nn.Module):
    """A factor per element, degree and channel.

    Args:
        species: The elements.
        channels: Channels.
        degree: Largest degree.
    """

    def __init__(self, species: Species, channels: int, degree: int):
        super().__init__()
        self.degree = degree
        self.factors = PerElement(species, 1.0 + 0.1 * torch.randn(len(species.numbers), (degree + 1) * channels))

    def forward(self, nodes: Nodes, elements: Elements) -> Nodes:
        """Scaled tensors."""
        rows = self.factors().index_select(0, elements.row).split(nodes.shape[2], dim=1)
        factors = torch.cat([row[:, None].expand(-1, 2 * d + 1, -1) for d, row in enumerate(rows)], dim=1)
        return nodes * factors


class Product(nn.Module):
    """Product of two tensors by all paths that parity allows, weighted by path, channel and element.

    Args:
        species: The elements.
        channels: Channels.
        degree: Largest degree of factors and result.
    """

    def __init__(self, species: Species, channels: int, degree: int):
        super().__init__()
        self.paths, self.terms = couplings(degree)
        # As many paths lead to a degree, so much smaller does each begin.
        into = [sum(path[2] == other[2] for other in self.paths) for path in self.paths]
        start = torch.randn(len(species.numbers), len(self.paths), channels)
        self.weights = PerElement(species, (start / torch.tensor(into).sqrt()[:, None]).flatten(1))

    def forward(self, a: Nodes, b: Nodes, elements: Elements) -> Nodes:
        """``out^{l} = sum over paths w (a^{l1} x b^{l2})^{l}``."""
        weights = self.weights().index_select(0, elements.row).reshape(-1, len(self.paths), a.shape[2])
        return couple(a, b, weights, self.terms, a.shape[1])


def _mixed(part: Float[Tensor, "atoms m inputs"], weight: Float[Tensor, "inputs channels"]) -> Tensor:
    # As one matrix: PyTorch takes a tensor times a matrix as one small product per atom.
    return (part.reshape(-1, weight.shape[0]) @ weight).reshape(-1, part.shape[1], weight.shape[1])


def by_degree(nodes: Nodes, degree: int) -> tuple[Tensor, ...]:
    """Components of each degree."""
    return nodes.split([2 * d + 1 for d in range(degree + 1)], dim=1)


def summed(
    angular: Sequence[Float[Tensor, "pairs _"]], weights: Sequence[Float[Tensor, "pairs channels"]], edges: Edges
) -> Nodes:
    """``out_i^{lm,k} = sum_j weights_l^k(ij) Y_lm(ij)``."""
    parts = [moments(y, w, edges.i, edges.offsets) for y, w in zip(angular, weights, strict=True)]
    return torch.cat(parts, dim=1)


def bounded(nodes: Nodes) -> Nodes:
    """Tensors of a root mean square below one."""
    return nodes * torch.rsqrt(1.0 + (nodes * nodes).mean((1, 2), keepdim=True))


def overlap(a: Nodes, b: Nodes, degree: int) -> Float[Tensor, "atoms invariants"]:
    """Invariants ``sum_m a^{lm,k} b^{lm,k} / sqrt(2 l + 1)`` of every degree and channel."""
    parts = by_degree(a * b, degree)
    return torch.cat([part.sum(1) / math.sqrt(2 * d + 1) for d, part in enumerate(parts)], dim=1)
