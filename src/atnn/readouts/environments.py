"""Tensors of the surroundings of every atom, and their products: what blocks of orbitals are made of."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import silu, softplus

from atnn.functions.bernstein import bump, exponential_bernstein
from atnn.kernels import couple, gather_centers, gather_neighbors, moments
from atnn.parts import Design, Scene
from atnn.readouts.blocks import BlockLayout, Kind
from atnn.so3 import coupling, spherical_harmonics
from atnn.structures import Edges

CUTOFF = 5.0  # Angstrom, of the sums over neighbors
CHANNELS = 24
CODES = 32  # numbers that describe the environment of an atom to the network of the pairs
RADIAL = 16

Terms = tuple[tuple[int, int, int, int, float], ...]


class Environments(nn.Module):
    """Tensors of every atom of degrees 0 to L: sums over its neighbors, and those of the representation.

        A_i^{lm,k} = sum_j f(r_ij) W_lk(b(r_ij), x_i, x_j) Y_lm(r_ij) + sum_c U_l^{ck} h_i^{lm,c}  (for l > 0)

    x are codes of the atoms, which a network computes from their invariants, b radial functions, f a cutoff function,
    and h the tensors of the representation. The tensors are divided by ``sqrt(1 + mean A^2)``.

    Args:
        design: Elements and sizes.
        degree: Largest degree L.
    """

    def __init__(self, design: Design, degree: int):
        super().__init__()
        self.degree, self.read = degree, min(degree, len(design.channels) - 1)
        self.codes = design.network(CODES)
        self.radial = RadialFunctions()
        self.weights = Network(RADIAL + 2 * CODES, (64,), (degree + 1) * CHANNELS)
        self.mixing = nn.ParameterList(
            torch.randn(design.width(d), CHANNELS) / math.sqrt(design.width(d)) for d in range(1, self.read + 1)
        )

    def forward(self, scene: Scene) -> tuple[Float[Tensor, "atoms codes"], list[Float[Tensor, "atoms _ channels"]]]:
        """Compute codes and tensors of every atom."""
        edges, nodes = scene.edges, scene.features.nodes
        codes = self.codes(nodes[0].squeeze(1), scene.elements)
        here = gather_centers(codes, edges.i, edges.offsets)
        there = gather_neighbors(codes, edges.j, edges.reverse, edges.offsets)
        weights = self.weights(torch.cat([self.radial(edges.lengths), here, there], dim=1))
        weights = (0.5 * bump(edges.lengths, CUTOFF)[:, None] * weights).split(CHANNELS, dim=1)
        sums = _sum_harmonics(edges, weights, self.degree)
        for d, matrix in enumerate(self.mixing, start=1):
            sums[d] = sums[d] + nodes[d] @ matrix
        norm = torch.rsqrt(1.0 + torch.cat([part.flatten(1) for part in sums], dim=1).square().mean(1))
        return codes, [part * norm[:, None, None] for part in sums]


class RadialFunctions(nn.Module):
    """Bernstein polynomials of ``exp(-gamma r)``, see :func:`exponential_bernstein`, with a gamma that is learned."""

    def __init__(self) -> None:
        super().__init__()
        self.decay = nn.Parameter(torch.tensor(math.log(math.expm1(0.6))))

    def forward(self, lengths: Float[Tensor, " pairs"]) -> Float[Tensor, "pairs functions"]:
        """Evaluate the functions, about 1 each where they are largest."""
        return 3.0 * exponential_bernstein(lengths, softplus(self.decay), RADIAL)


class Network(nn.Module):
    """Network on pairs of atoms or on atoms, with silu between its layers.

    Args:
        inputs: Number of inputs.
        hidden: Widths of the hidden layers.
        outputs: Number of outputs.
    """

    def __init__(self, inputs: int, hidden: tuple[int, ...], outputs: int):
        super().__init__()
        widths = (inputs, *hidden, outputs)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))
        with torch.no_grad():
            for layer in self.layers:
                assert isinstance(layer, nn.Linear)
                layer.weight.copy_(torch.randn(layer.weight.shape) / math.sqrt(layer.in_features))
                layer.bias.zero_()

    def forward(self, x: Float[Tensor, "rows inputs"]) -> Float[Tensor, "rows outputs"]:
        """Evaluate the network for every row."""
        x = self.layers[0](x)
        for layer in list(self.layers)[1:]:
            x = layer(1.6 * silu(x))
        return x


class Products(nn.Module):
    """Products of two tensors of either parity, and a linear map of their channels to pairs of shells.

    Args:
        layout: Kinds of tensors that the blocks need.
        factors: Largest degree of the factors.
    """

    def __init__(self, layout: BlockLayout, factors: int):
        super().__init__()
        self.kinds = layout.kinds()
        self.factors, self.degree = factors, layout.degree
        self.paths, self.terms = _list_terms(factors, set(self.kinds))
        self.maps = nn.ParameterList(
            torch.randn(CHANNELS, channels) / math.sqrt(CHANNELS) for channels in layout.channels.values()
        )

    def forward(
        self,
        a: Float[Tensor, "rows m channels"],
        b: Float[Tensor, "rows m channels"],
        weights: Float[Tensor, "rows paths_channels"],
        added: list[Float[Tensor, "rows _ channels"]] | None = None,
    ) -> list[Tensor]:
        """Compute tensors [rows, 2 L + 1, pairs of shells] of each kind.

        Args:
            a, b: Factors, of the degrees 0 to :attr:`factors`.
            weights: Weights of all paths and channels.
            added: Tensors of each degree that are added to the products of natural parity.
        """
        square = (self.degree + 1) ** 2
        product = couple(a, b, weights.unflatten(1, (len(self.paths), CHANNELS)), self.terms, 2 * square)
        found = []
        for (degree, odd), matrix in zip(self.kinds, self.maps, strict=True):
            start = odd * square + degree**2
            part = product[:, start : start + 2 * degree + 1]
            found.append((part if odd or added is None else part + added[degree]) @ matrix)
        return found


def _sum_harmonics(edges: Edges, weights: tuple[Tensor, ...], degree: int) -> list[Tensor]:
    angular = spherical_harmonics(edges.vectors / edges.lengths[:, None], degree)
    return [moments(y, w, edges.i, edges.offsets) for y, w in zip(angular, weights, strict=True)]


def _list_terms(degree: int, kinds: set[Kind]) -> tuple[list[tuple[int, int, int]], Terms]:
    """List the paths of factors up to a degree to tensors of the given kinds, and their terms for :func:`couple`.

    Pseudotensors stand behind all tensors of natural parity. The terms of a path are orthonormal.
    """
    square = (max(degree for degree, _ in kinds) + 1) ** 2
    paths: list[tuple[int, int, int]] = []
    terms: list[tuple[int, int, int, int, float]] = []
    for first, second in np.ndindex(degree + 1, degree + 1):
        for result in range(abs(first - second), first + second + 1):
            odd = (first + second + result) % 2
            if (result, odd) not in kinds:
                continue
            table = coupling(first, second, result)
            for a, b, c in np.argwhere(np.abs(table) > 1e-9):
                row = odd * square + result**2 + int(c)
                terms.append((first**2 + int(a), second**2 + int(b), len(paths), row, float(table[a, b, c])))
            paths.append((first, second, result))
    return paths, tuple(terms)
