"""NEAT, node-equivariant atomic tensors: many-body products at the atoms, nothing but radial functions on the pairs.

Built of ideas of others: products at the atom instead of on the pair (NEMP, doi:10.1039/d5sc07248d), their powers up
to a body order (ACE, doi:10.1103/PhysRevB.99.014104; MACE, arXiv:2206.07697), tensors passed on with a weight per
pair (EquiREANN, doi:10.1021/acs.jpca.4c06669).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from atnn.functions import PerElement, Species
from atnn.kernels import gather_neighbors, messages
from atnn.representations.pair_functions import PairFunctions, PairNetwork
from atnn.representations.tensors import ElementScale, Mixing, Product, overlap, summed
from atnn.so3 import spherical_harmonics
from atnn.specification import Specification
from atnn.structures import Edges, Elements, Features, Structures


class NEATSpecification(Specification):
    """What defines a NEAT representation."""

    name: Literal["neat"] = "neat"
    cutoff: float = Field(5.0, gt=0, description="cutoff radius [Angstrom]")
    channels: int = Field(32, ge=1, le=256, description="channels k of every degree")
    degree: int = Field(2, ge=1, le=3, description="largest angular degree L")
    rounds: int = Field(2, ge=1, le=8, description="rounds of message passing; the first sees bare elements")
    order: int = Field(3, ge=1, le=5, description="factors of the largest product at the atom")
    radial: int = Field(8, ge=2, le=64, description="radial functions of each pair of elements")
    hidden: tuple[int, ...] = Field((32,), description="hidden layers of the radial networks")


class NEAT(nn.Module):
    """Sums over neighbors, powers of the sums, and again with the tensors of the neighbors.

        A_i^{lm,k} = n^{-1/2} sum_j [ R_lk(x_ij) s_j^k Y_lm(r_ij) + R'_lk(x_ij) (C h_j)^{lm,k} ]
        P^{(1)} = A,    P^{(q+1)} = sum over l1, l2 of w_{l1 l2 l,k,z_i} ( C_q P^{(q)} x C'_q A )^{l},    q < order
        h_i <- sum_q C''_q P^{(q)} + c_{z_i} h_i,    s_i <- C s_i of the l = 0 part of h_i

    R and R' come from a small network of the radial functions x_ij of the pair; x is zero at the cutoff with five
    derivatives, and so is R, which is multiplied by the envelope. In the first round h is absent and s_j a free row
    of the element of j. Invariants are the l = 0 parts of all rounds and the squares of the last h. Products cost
    nothing per pair, and matrices C act at the atoms: per pair and channel there are 2 (L + 1) radial values and
    2 (L + 1)^2 multiplications.

    Args:
        specification: Sizes and cutoff.
        species: The elements, and whether they share parameters.
    """

    neighbor_count: Tensor

    def __init__(self, specification: NEATSpecification, species: Species):
        super().__init__()
        spec = self.specification = specification
        self.cutoff = spec.cutoff
        self.register_buffer("neighbor_count", torch.tensor(10.0))
        self.radial = PairFunctions(species, spec.radial, spec.cutoff)
        self.sources = PerElement(species, torch.randn(len(species.numbers), spec.channels))
        self.first = Round(spec, species, first=True)
        self.later = nn.ModuleList(Round(spec, species, first=False) for _ in range(spec.rounds - 1))
        self.channels = (spec.channels * (spec.rounds + spec.degree + 1), spec.channels)

    def forward(self, structures: Structures, edges: Edges, elements: Elements) -> Features:
        """Invariants of all rounds; vectors of the last."""
        degree = self.specification.degree
        angular = spherical_harmonics(edges.vectors / edges.lengths[:, None], degree)
        radial = self.radial(edges, elements)
        envelope = self.radial.envelope(edges) * torch.rsqrt(self.neighbor_count)
        sources = self.sources().index_select(0, elements.row)
        nodes = self.first(angular, radial, envelope, sources, None, edges, elements)
        invariants = [nodes[:, 0]]
        for update in self.later:
            nodes = update(angular, radial, envelope, nodes[:, 0], nodes, edges, elements)
            invariants.append(nodes[:, 0])
        invariants.append(overlap(nodes, nodes, degree))
        return Features((torch.cat(invariants, dim=1)[:, None], nodes[:, 1:4]))


class Round(nn.Module):
    """A sum over the neighbors and its powers.

    Args:
        spec: Sizes.
        species: The elements.
        first: Whether neighbors are bare elements, without tensors yet.
    """

    def __init__(self, spec: NEATSpecification, species: Species, first: bool):
        super().__init__()
        sizes = spec.channels, spec.degree
        self.degrees, self.channels = spec.degree + 1, spec.channels
        self.network = PairNetwork(spec.radial, spec.hidden, (1 if first else 2) * self.degrees * spec.channels)
        self.left, self.right, self.out = (
            nn.ModuleList(Mixing(*sizes) for _ in range(count))
            for count in (spec.order - 1, spec.order - 1, spec.order)
        )
        self.products = nn.ModuleList(Product(species, *sizes) for _ in range(spec.order - 1))
        self.scalars = None if first else nn.Linear(spec.channels, spec.channels, bias=False)
        self.passed = None if first else Mixing(*sizes)
        self.kept = None if first else ElementScale(species, *sizes)

    def forward(self, angular, radial, envelope, sources, nodes, edges: Edges, elements: Elements):
        """New tensors of the atoms."""
        weights = self.network(radial) * envelope
        sums = self._sums(angular, weights, sources, nodes, edges)
        power, total = sums, self.out[0](sums)
        for left, right, product, out in zip(self.left, self.right, self.products, self.out[1:], strict=True):
            power = product(left(power), right(sums), elements)
            total = total + out(power)
        if self.kept is not None:
            total = total + self.kept(nodes, elements)
        return total / math.sqrt(len(self.out) + (self.kept is not None))

    def _sums(self, angular, weights, sources, nodes, edges: Edges):
        columns = [self.channels] * self.degrees
        if self.passed is None or self.scalars is None:
            scalars = gather_neighbors(sources, edges.j, edges.reverse, edges.offsets)
            return summed(angular, [w * scalars for w in weights.split(columns, dim=1)], edges)
        scalars = gather_neighbors(self.scalars(sources), edges.j, edges.reverse, edges.offsets)
        own, passed = weights.chunk(2, dim=1)
        message = messages(passed.reshape(-1, self.degrees, self.channels), self.passed(nodes), edges)
        embedded = summed(angular, [w * scalars for w in own.split(columns, dim=1)], edges)
        return math.sqrt(0.5) * (embedded + message)
