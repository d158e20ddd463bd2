"""NEMP, node-equivariant message passing: products of spherical tensors at the atoms, scalars only on the pairs.

Y. Zhang, H. Guo, Chem. Sci. 2026, doi:10.1039/d5sc07248d.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from atnn.functions import Species
from atnn.kernels import contract_angular, gather_neighbors, gather_reverse, messages, sum_centers
from atnn.representations.pair_functions import PairFunctions, PairNetwork
from atnn.representations.specification import RepresentationSpecification
from atnn.representations.tensors import ElementScale, Mixing, Nodes, Product, bounded, by_degree, overlap, summed
from atnn.so3 import spherical_harmonics
from atnn.structures import HIGHEST, Edges, Elements, Features, Structures


class NEMPSpecification(RepresentationSpecification):
    """What defines a NEMP representation; defaults are those of the published example input."""

    name: Literal["nemp"] = "nemp"
    cutoff: float = Field(6.0, gt=0, description="cutoff radius [Angstrom]")
    channels: int = Field(16, ge=1, le=256, description="channels k of every degree")
    degree: int = Field(2, ge=1, le=3, description="largest angular degree L")
    rounds: int = Field(3, ge=1, le=8, description="rounds of message passing")
    radial: int = Field(16, ge=2, le=64, description="radial functions of each pair of elements")
    hidden: tuple[int, ...] = Field((64,), description="hidden layers of the networks on pairs")

    def build(self, species: Species, conditions: Collection[str] = ()) -> NEMP:
        """The representation."""
        return NEMP(self, species)


class NEMP(nn.Module):
    """Messages whose pairs carry scalars only; tensors meet at the atoms, once.

        A_i^{lm,k} = n_i sum_j w_lk(x_ij) Y_lm(r_ij), its channels mixed and scaled by element;
        n_i = n^{1/2} / (1 + sum_j f_ij)
        s_ij <- [ s_ij, sum_m Y_lm(r_ij) (u_lk(x_ij) A_i^{lm,k} + v_lk(x_ij) A_j^{lm,k}) ],   s_ij = x_ij at first
        M_i^{lm,k} = n_i sum_j f_ij W1_lk(s_ij) (C A_j)^{lm,k},   G_i^{lm,k} = n_i sum_j f_ij W2_lk(s_ij) Y_lm(r_ij)
        P_i^l = sum over l1, l2 of g_{l1 l2 l,k,z_i} (G_i^{l1} x M_i^{l2})^l
        A_i <- (C' A_i + C'' P_i) / sqrt(2)

    x_ij are radial functions of the pair of elements, f their envelope, W1 and W2 a network, w, u and v linear.
    Tensors A are divided by ``sqrt(1 + mean A^2)``, which bounds them; the publication divides by the root mean
    square itself, which an atom without neighbors does not have. For the same reason the smooth count of neighbors
    has a 1 added. Invariants per round are the l = 0 part of A and ``sum_m G^{lm,k} A^{lm,k}``.

    Args:
        specification: Sizes and cutoff.
        species: The elements, and whether they share parameters.
    """

    neighbor_count: Tensor

    def __init__(self, specification: NEMPSpecification, species: Species):
        super().__init__()
        spec = self.specification = specification
        self.cutoff = spec.cutoff
        self.register_buffer("neighbor_count", torch.tensor(10.0))
        new = (spec.degree + 1) * spec.channels
        self.radial = PairFunctions(species, spec.radial, spec.cutoff)
        self.start = PairNetwork(spec.radial, (), new)
        self.scale = ElementScale(species, spec.channels, spec.degree)
        self.mixing = Mixing(spec.channels, spec.degree)
        self.rounds = nn.ModuleList(Round(spec, species, spec.radial + t * new) for t in range(spec.rounds))
        self.channels = ((spec.rounds + 1) * (spec.channels + new), *[spec.channels] * spec.degree)

    def forward(self, structures: Structures, edges: Edges, elements: Elements, degree: int = HIGHEST) -> Features:
        """Invariants of all rounds; tensors of the last."""
        spec = self.specification
        angular = spherical_harmonics(edges.vectors / edges.lengths[:, None], spec.degree)
        scalars = radial = self.radial(edges, elements)
        envelope = self.radial.envelope(edges)
        count = sum_centers(envelope, edges.i, edges.offsets)
        norm = (torch.sqrt(self.neighbor_count) / (1.0 + count))[:, :, None]
        nodes = summed(angular, self.start(radial).split(spec.channels, dim=1), edges) * norm
        nodes = bounded(self.mixing(self.scale(nodes, elements)))
        invariants = [nodes[:, 0], overlap(nodes, nodes, spec.degree)]
        for update in self.rounds:
            nodes, scalars, found = update(angular, radial, scalars, envelope, norm, nodes, edges, elements)
            invariants += [nodes[:, 0], found]
        return Features((torch.cat(invariants, dim=1)[:, None], *by_degree(nodes, spec.degree)[1:]))


class Round(nn.Module):
    """New scalars of the pairs, messages, and their product at the atoms.

    Args:
        spec: Sizes.
        species: The elements.
        scalars: Scalars that the pairs carry before the round.
    """

    def __init__(self, spec: NEMPSpecification, species: Species, scalars: int):
        super().__init__()
        sizes = spec.channels, spec.degree
        self.degree, self.channels = spec.degree, spec.channels
        new = (spec.degree + 1) * spec.channels
        self.projections = PairNetwork(spec.radial, (), 2 * new)
        self.network = PairNetwork(scalars + new, spec.hidden, 2 * new)
        self.passed, self.kept, self.gained = (Mixing(*sizes) for _ in range(3))
        self.product = Product(species, *sizes)

    def forward(
        self,
        angular: Sequence[Float[Tensor, "pairs _"]],
        radial: Float[Tensor, "pairs functions"],
        scalars: Float[Tensor, "pairs scalars"],
        envelope: Float[Tensor, "pairs 1"],
        norm: Float[Tensor, "atoms 1 1"],
        nodes: Nodes,
        edges: Edges,
        elements: Elements,
    ) -> tuple[Nodes, Float[Tensor, "pairs more"], Float[Tensor, "atoms invariants"]]:
        """New tensors, scalars of the pairs, and invariants."""
        scalars = torch.cat([scalars, self._projected(angular, radial, nodes, edges)], dim=1)
        first, second = (self.network(scalars) * envelope).chunk(2, dim=1)
        weights = first.reshape(-1, self.degree + 1, self.channels)
        message = messages(weights, self.passed(nodes), edges) * norm
        embedded = summed(angular, second.split(self.channels, dim=1), edges) * norm
        product = self.product(embedded, message, elements)
        nodes = bounded(math.sqrt(0.5) * (self.kept(nodes) + self.gained(product)))
        return nodes, scalars, overlap(embedded, nodes, self.degree)

    def _projected(self, angular, radial, nodes, edges: Edges):
        parts = zip(angular, by_degree(nodes, self.degree), strict=True)
        here = torch.cat([contract_angular(y, part, edges.i, edges.offsets) for y, part in parts], dim=1)
        # Projections of the neighbor on the opposite direction; the sign (-1)^l is for the network to learn.
        there = (
            self._from_neighbors(angular, nodes, edges)
            if edges.reverse is None
            else gather_reverse(here, edges.reverse)
        )
        u, v = self.projections(radial).chunk(2, dim=1)
        return u * here + v * there

    def _from_neighbors(self, angular, nodes, edges: Edges):
        """The projections of the neighbors where these have no pairs of their own."""
        passed = gather_neighbors(nodes.flatten(1), edges.j, None, edges.offsets).reshape(-1, *nodes.shape[1:])
        parts = zip(angular, by_degree(passed, self.degree), strict=True)
        return torch.cat([(-1) ** d * (y[:, :, None] * part).sum(1) for d, (y, part) in enumerate(parts)], dim=1)
