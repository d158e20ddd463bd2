"""NEMP, node-equivariant message passing: products of spherical tensors at the atoms, scalars only on the pairs.

Y. Zhang, H. Guo, Chem. Sci. 2026, doi:10.1039/d5sc07248d.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import silu

from atnn.functions import PerElement, Species, polynomial
from atnn.kernels import contract_angular, couple, messages, moments, sum_centers
from atnn.so3 import couplings, spherical_harmonics
from atnn.specification import Specification
from atnn.structures import Edges, Elements, Features, Structures

CODE = 8  # numbers by which a pair of elements is told


class NEMPSpecification(Specification):
    """What defines a NEMP representation."""

    name: Literal["nemp"] = "nemp"
    cutoff: float = Field(6.0, gt=0, description="cutoff radius [Angstrom]")
    channels: int = Field(16, ge=1, le=256, description="channels k of every degree")
    degree: int = Field(2, ge=1, le=3, description="largest angular degree L")
    rounds: int = Field(3, ge=1, le=8, description="rounds of message passing")
    radial: int = Field(16, ge=2, le=64, description="radial functions")
    hidden: tuple[int, ...] = Field((64,), description="hidden layers of the networks on pairs")


class NEMP(nn.Module):
    """docstring."""

    neighbor_count: Tensor

    def __init__(self, specification: NEMPSpecification, species: Species):
        super().__init__()
        spec = self.specification = specification
        self.cutoff = spec.cutoff
        self.register_buffer("neighbor_count", torch.tensor(10.0))
        degrees = spec.degree + 1
        self.radial = PairFunctions(species, spec.radial, spec.cutoff)
        self.start = PairNetwork(spec.radial, (), degrees * spec.channels)
        self.scales = PerElement(species, 1.0 + 0.1 * torch.randn(len(species.numbers), degrees * spec.channels))
        self.first = Mixing(spec.channels, degrees)
        self.rounds = nn.ModuleList(
            Round(species, spec, spec.radial + t * degrees * spec.channels) for t in range(spec.rounds)
        )
        self.channels = (spec.channels * (1 + degrees) * (spec.rounds + 1), spec.channels)

    def forward(self, structures: Structures, edges: Edges, elements: Elements) -> Features:
        """Invariants of all rounds, the first-degree orbitals of the last."""
        spec = self.specification
        unit = edges.vectors / edges.lengths[:, None]
        angular = spherical_harmonics(unit, spec.degree)
        envelope = polynomial(edges.lengths / spec.cutoff)[:, None]
        envelope = envelope * envelope
        scalars = radial = self.radial(edges, elements) * envelope
        count = sum_centers(envelope, edges.i, edges.offsets)
        norm = (torch.sqrt(self.neighbor_count) / (1.0 + count))[:, :, None]
        orbitals = summed(angular, self.start(scalars), edges) * norm
        row = self.scales().index_select(0, elements.row).reshape(-1, spec.degree + 1, spec.channels)
        orbitals = normalized(self.first(orbitals * by_component(row)))
        invariants = [orbitals[:, 0], norms(orbitals, spec.degree)]
        for update in self.rounds:
            orbitals, scalars, found = update(angular, radial, scalars, envelope, norm, orbitals, edges, elements)
            invariants += [orbitals[:, 0], found]
        return Features((torch.cat(invariants, dim=1)[:, None], orbitals[:, 1:4]))


class Round(nn.Module):
    """One round."""

    def __init__(self, species: Species, spec: NEMPSpecification, scalars: int):
        super().__init__()
        self.degree, channels = spec.degree, spec.channels
        degrees = spec.degree + 1
        paths, self.terms = couplings(spec.degree)
        self.projections = PairNetwork(spec.radial, (), 2 * degrees * channels)
        self.weights = PairNetwork(scalars + degrees * channels, spec.hidden, 2 * degrees * channels)
        self.before, self.kept, self.product = (Mixing(channels, degrees) for _ in range(3))
        counts = torch.tensor([sum(p[2] == path[2] for p in paths) for path in paths], dtype=torch.float32)
        start = torch.randn(len(species.numbers), len(paths), channels) / torch.sqrt(counts)[:, None]
        self.paths = len(paths)
        self.path_weights = PerElement(species, start.flatten(1))

    def forward(self, angular, radial, scalars, envelope, norm, orbitals, edges: Edges, elements: Elements):
        parts = orbitals.split([2 * l + 1 for l in range(self.degree + 1)], dim=1)
        onto = [contract_angular(y, part, edges.i, edges.offsets) for y, part in zip(angular, parts, strict=True)]
        here = torch.cat(onto, dim=1)
        # Harmonics of the opposite pair differ by (-1)^l, which the network can learn.
        there = here.index_select(0, edges.reverse)
        u, v = self.projections(radial).chunk(2, dim=1)
        scalars = torch.cat([scalars, u * here + v * there], dim=1)
        weights = self.weights(scalars) * envelope
        w1, w2 = weights.chunk(2, dim=1)
        degrees = self.degree + 1
        message = messages(w1.reshape(w1.shape[0], degrees, orbitals.shape[2]), self.before(orbitals), edges) * norm
        embedded = summed(angular, w2, edges) * norm
        path = self.path_weights().index_select(0, elements.row).reshape(-1, self.paths, orbitals.shape[2])
        product = couple(embedded, message, path, self.terms, orbitals.shape[1])
        orbitals = normalized((self.kept(orbitals) + self.product(product)) * math.sqrt(0.5))
        found = overlap(embedded, orbitals, self.degree)
        return orbitals, scalars, found


class PairFunctions(nn.Module):
    """Radial functions of a pair of elements."""

    def __init__(self, species: Species, count: int, cutoff: float):
        super().__init__()
        self.cutoff, self.elements = cutoff, len(species.numbers)
        self.codes = PerElement(species, torch.randn(len(species.numbers), CODE))
        self.hidden = nn.Linear(2 * CODE, 32)
        self.widths, self.factors = nn.Linear(32, count), nn.Linear(32, count)
        with torch.no_grad():
            self.widths.weight.mul_(0.3)
            self.widths.bias.copy_(math.pi * torch.arange(1, count + 1))
            self.factors.bias.fill_(1.0)

    def forward(self, edges: Edges, elements: Elements) -> Float[Tensor, "pairs count"]:
        codes = self.codes()
        n = self.elements
        pairs = torch.cat([codes.repeat_interleave(n, 0), codes.repeat(n, 1)], dim=1)
        hidden = silu(self.hidden(pairs))
        table = torch.cat([self.widths(hidden), self.factors(hidden)], dim=1)
        index = elements.row.index_select(0, edges.i) * n + elements.row.index_select(0, edges.j)
        widths, factors = table.index_select(0, index).chunk(2, dim=1)
        x = (edges.lengths / self.cutoff)[:, None]
        return factors * torch.sin(widths * x) / x * (math.sqrt(2.0) / math.pi)


class PairNetwork(nn.Module):
    """Network of the scalars of a pair."""

    def __init__(self, inputs: int, hidden: tuple[int, ...], outputs: int):
        super().__init__()
        widths = [inputs, *hidden, outputs]
        self.weights = nn.ParameterList(torch.randn(a, b) / math.sqrt(a) for a, b in zip(widths, widths[1:]))
        self.biases = nn.ParameterList(torch.zeros(b) for b in hidden)

    def forward(self, x):
        for weight, bias in zip(self.weights, self.biases):
            x = silu(torch.addmm(bias, x, weight)) * 1.6
        return x @ self.weights[-1]


class Mixing(nn.Module):
    """Channel mixing of each degree."""

    def __init__(self, channels: int, degrees: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(degrees, channels, channels) / math.sqrt(channels))

    def forward(self, nodes):
        parts = nodes.split([2 * l + 1 for l in range(len(self.weight))], dim=1)
        return torch.cat([part @ weight for part, weight in zip(parts, self.weight)], dim=1)


def summed(angular, weights, edges):
    parts = weights.chunk(len(angular), dim=1)
    return torch.cat([moments(y, w, edges.i, edges.offsets) for y, w in zip(angular, parts)], dim=1)


def by_component(rows):
    return torch.cat([rows[:, l : l + 1].expand(-1, 2 * l + 1, -1) for l in range(rows.shape[1])], dim=1)


def overlap(a, b, degree):
    products = a * b
    return torch.cat(
        [products[:, l * l : (l + 1) ** 2].sum(1) / math.sqrt(2 * l + 1) for l in range(degree + 1)], dim=1
    )


def norms(a, degree):
    return overlap(a, a, degree)


def normalized(orbitals):
    return orbitals * torch.rsqrt(1.0 + (orbitals * orbitals).mean((1, 2), keepdim=True))
