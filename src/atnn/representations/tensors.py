"""Operations on spherical tensors of the atoms, [atoms, (L + 1)^2, channels], stored by ascending degree."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from atnn.functions import PerElement, Species
from atnn.kernels import couple, gather_neighbors, moments
from atnn.so3 import couplings
from atnn.structures import Edges, Elements

Nodes = Float[Tensor, "atoms m channels"]


class Mixing(nn.Module):
    """Linear map of the channels with one matrix per degree.

    Args:
        channels: Number of channels of each result.
        degree: Largest degree.
        inputs: Number of input channels; if None, the same as ``channels``.
        results: Number of results, computed together.
    """

    def __init__(self, channels: int, degree: int, inputs: int | None = None, results: int = 1):
        super().__init__()
        inputs, self.results = inputs or channels, results
        self.weight = nn.Parameter(torch.randn(degree + 1, inputs, results * channels) / math.sqrt(inputs))

    def forward(self, nodes: Float[Tensor, "atoms m inputs"]) -> Nodes:
        """Mix the channels; the results lie side by side in the last dimension."""
        parts = split_degrees(nodes, len(self.weight) - 1)
        return torch.cat([_mix_channels(part, weight) for part, weight in zip(parts, self.weight, strict=True)], dim=1)

    def split(self, nodes: Float[Tensor, "atoms m inputs"]) -> tuple[Tensor, ...]:
        """Mix the channels and return each result as its own tensor."""
        return self.forward(nodes).chunk(self.results, dim=2)


class ElementScale(nn.Module):
    """A learned factor for each element, degree and channel.

    Args:
        species: The elements.
        channels: Number of channels.
        degree: Largest degree.
    """

    def __init__(self, species: Species, channels: int, degree: int):
        super().__init__()
        self.degree = degree
        self.factors = PerElement(species, 1.0 + 0.1 * torch.randn(len(species.numbers), (degree + 1) * channels))

    def forward(self, nodes: Nodes, elements: Elements) -> Nodes:
        """Scale the tensors of every atom."""
        rows = self.factors().index_select(0, elements.row).split(nodes.shape[2], dim=1)
        factors = torch.cat([row[:, None].expand(-1, 2 * d + 1, -1) for d, row in enumerate(rows)], dim=1)
        return nodes * factors


class Product(nn.Module):
    """Product of two tensors along all paths allowed by parity, with weights per path, channel and element.

    Args:
        species: The elements.
        channels: Number of channels.
        degree: Largest degree of the factors and of the result.
    """

    def __init__(self, species: Species, channels: int, degree: int):
        super().__init__()
        self.paths, self.terms = couplings(degree)
        # The more paths lead to a degree, the smaller each starts, so that the variance of their sum is the same.
        into = [sum(path[2] == other[2] for other in self.paths) for path in self.paths]
        start = torch.randn(len(species.numbers), len(self.paths), channels)
        self.weights = PerElement(species, (start / torch.tensor(into).sqrt()[:, None]).flatten(1))

    def forward(self, a: Nodes, b: Nodes, elements: Elements) -> Nodes:
        """Compute ``out^{l} = sum over paths w (a^{l1} x b^{l2})^{l}``."""
        weights = self.weights().index_select(0, elements.row).reshape(-1, len(self.paths), a.shape[2])
        return couple(a, b, weights, self.terms, a.shape[1])


def _mix_channels(part: Float[Tensor, "atoms m inputs"], weight: Float[Tensor, "inputs channels"]) -> Tensor:
    # Reshaped to one matrix, because PyTorch computes a 3D tensor times a matrix as one small product per atom.
    return (part.reshape(-1, weight.shape[0]) @ weight).reshape(-1, part.shape[1], weight.shape[1])


def split_degrees(nodes: Nodes, degree: int) -> tuple[Tensor, ...]:
    """Split tensors into the components of each degree."""
    return nodes.split([2 * d + 1 for d in range(degree + 1)], dim=1)


def sum_harmonics(
    angular: Sequence[Float[Tensor, "pairs _"]], weights: Sequence[Float[Tensor, "pairs channels"]], edges: Edges
) -> Nodes:
    """Sum weighted harmonics over the neighbors, ``out_i^{lm,k} = sum_j weights_l^k(ij) Y_lm(ij)``."""
    parts = [moments(y, w, edges.i, edges.offsets) for y, w in zip(angular, weights, strict=True)]
    return torch.cat(parts, dim=1)


def project_neighbors(angular: Float[Tensor, "pairs m"], nodes: Nodes, edges: Edges) -> Float[Tensor, "pairs channels"]:
    """Project the neighbors' tensors where these have no pairs, ``out_e^k = sum_m angular_e^m nodes_{j(e)}^{m,k}``."""
    passed = gather_neighbors(nodes.flatten(1), edges.j, edges.reverse, edges.offsets).reshape(-1, *nodes.shape[1:])
    return (angular[:, :, None] * passed).sum(1)


def bound_norms(nodes: Nodes) -> Nodes:
    """Divide the tensors of each atom by ``sqrt(1 + mean square)``, so that their root mean square is below one."""
    return nodes * torch.rsqrt(1.0 + (nodes * nodes).mean((1, 2), keepdim=True))


def contract_tensors(a: Nodes, b: Nodes, degree: int) -> Float[Tensor, "atoms invariants"]:
    """Contract two tensors to ``sum_m a^{lm,k} b^{lm,k} / sqrt(2 l + 1)`` for every degree and channel."""
    parts = split_degrees(a * b, degree)
    return torch.cat([part.sum(1) / math.sqrt(2 * d + 1) for d, part in enumerate(parts)], dim=1)
