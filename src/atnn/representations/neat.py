"""NEAT, node-equivariant atomic tensors: many-body products at the atoms, only radial functions on the pairs.

It combines published ideas: products at the atom instead of on the pair (NEMP, doi:10.1039/d5sc07248d), powers up to
a body order (ACE, doi:10.1103/PhysRevB.99.014104; MACE, arXiv:2206.07697), and tensors passed on with a weight per
pair (EquiREANN, doi:10.1021/acs.jpca.4c06669).
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from atnn.functions import PerElement, Species
from atnn.kernels import contract_angular, gather_neighbors, gather_reverse, messages, moments
from atnn.representations.pair_functions import PairFunctions, PairUnits
from atnn.representations.specification import RepresentationSpecification
from atnn.representations.tensors import (
    ElementScale,
    Mixing,
    Nodes,
    Product,
    bound_norms,
    contract_tensors,
    project_neighbors,
    split_degrees,
)
from atnn.so3 import spherical_harmonics
from atnn.structures import HIGHEST, Edges, Elements, Features, Structures


class NEATSpecification(RepresentationSpecification):
    """Settings of a NEAT representation."""

    name: Literal["neat"] = "neat"
    cutoff: float = Field(5.0, gt=0, le=100, description="cutoff radius [Angstrom]")
    channels: int = Field(32, ge=1, le=256, description="channels k of every degree")
    degree: int = Field(2, ge=1, le=3, description="largest angular degree L")
    rounds: int = Field(2, ge=1, le=8, description="rounds of message passing; the first sees only elements")
    order: int = Field(3, ge=1, le=5, description="number of factors of the largest product at the atom")
    radial: int = Field(8, ge=2, le=64, description="radial functions of each pair of elements")
    projections: bool = Field(
        False, description="whether later rounds see the tensors of a neighbor along the bond, or its scalars alone"
    )

    def build(self, species: Species, conditions: Collection[str] = ()) -> NEAT:
        """Build the representation."""
        return NEAT(self, species)


class NEAT(nn.Module):
    """Powers of sums over neighbors; later rounds also sum the tensors of the neighbors.

        A_i^{lm,k} = n^{-1/2} sum_q D_l^{qk} sum_j R_q(x_ij) s_j^q Y_lm(r_ij)
                     + n^{-1/2} sum_j R'_k(x_ij) (C h_j)^{lm,k}
        P^{(1)} = A,    P^{(q+1)} = sum over l1, l2 of w_{l1 l2 l,k,z_i} ( C_q P^{(q)} x C'_q A )^{l},    q < order
        h_i <- sum_q C''_q P^{(q)} + c_{z_i} h_i,    s_i <- D h_i^{00}

    R are the hidden units and R' the outputs of a small network of the radial functions x_ij of the pair, times their
    envelope. A neighbor's tensor enters without a product with Y on every pair; the products of the two parts of A
    replace it. In the first round h is absent, and s_j depends only on the element of j. The invariants are the l = 0
    parts of all rounds and the squares of the last h. The matrices D_l make radial channels depend on l. Like all
    products and matrices they act at the atoms, so a pair carries only its units and channels.

    With ``projections`` the scalar of a neighbor in later rounds is that of all its tensors along the bond,
    ``s_ij = sum_lm Y_lm(r_ji) (D_l h_j)^lm``, in place of s_j. NEMP's projections are those of both atoms.

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
        self.first = Round(spec, species)
        self.later = nn.ModuleList(LaterRound(spec, species) for _ in range(spec.rounds - 1))
        self.channels = (spec.channels * (spec.rounds + spec.degree + 1), *[spec.channels] * spec.degree)

    def forward(self, structures: Structures, edges: Edges, elements: Elements, degree: int = HIGHEST) -> Features:
        """Return the invariants of all rounds and the tensors of the last one."""
        degree = self.specification.degree
        angular = torch.cat(spherical_harmonics(edges.vectors / edges.lengths[:, None], degree), dim=1)
        radial = self.radial(edges, elements)
        envelope = self.radial.envelope(edges) * torch.rsqrt(self.neighbor_count)
        sources = self.sources().index_select(0, elements.row)
        nodes = self.first(angular, radial, envelope, sources, edges, elements)
        invariants = [nodes[:, 0]]
        for update in self.later:
            nodes = update(angular, radial, envelope, nodes, edges, elements)
            invariants.append(nodes[:, 0])
        invariants.append(contract_tensors(nodes, nodes, degree))
        return Features((torch.cat(invariants, dim=1)[:, None], *split_degrees(nodes, degree)[1:]))


class Round(nn.Module):
    """The first round: a sum over the neighbors and its powers.

    Args:
        spec: Sizes.
        species: The elements.
    """

    def __init__(self, spec: NEATSpecification, species: Species):
        super().__init__()
        sizes = spec.channels, spec.degree
        self.units = PairUnits(spec.radial, spec.channels)
        self.embedding = Mixing(*sizes)
        # The results are the linear term, the right factor of each product, and the left factor of the first product.
        self.sums = Mixing(*sizes, results=spec.order + (spec.order > 1))
        self.powers = nn.ModuleList(
            Mixing(*sizes, results=1 if q == spec.order else 2) for q in range(2, spec.order + 1)
        )
        self.products = nn.ModuleList(Product(species, *sizes) for _ in range(spec.order - 1))

    def forward(
        self,
        angular: Float[Tensor, "pairs m"],
        radial: Float[Tensor, "pairs functions"],
        envelope: Float[Tensor, "pairs 1"],
        sources: Float[Tensor, "atoms channels"],
        edges: Edges,
        elements: Elements,
    ) -> Nodes:
        """Compute the tensors of the atoms from the scalars of their neighbors."""
        weights = self.units(radial) * envelope * gather_neighbors(sources, edges.j, edges.reverse, edges.offsets)
        return self.sum_powers(self.embedding(moments(angular, weights, edges.i, edges.offsets)), elements)

    def sum_powers(self, sums: Nodes, elements: Elements) -> Nodes:
        """Sum the powers of a tensor, each with its channels mixed."""
        sums = bound_norms(sums)
        total, *factors = self.sums.split(sums)
        left = factors[-1:]
        for product, power, right in zip(self.products, self.powers, factors, strict=False):
            assert isinstance(power, Mixing)
            added, *left = power.split(product(*left, right, elements))
            total = total + added
        return total / math.sqrt(1 + len(self.products))


class LaterRound(nn.Module):
    """A later round, in which neighbors pass on their tensors.

    Args:
        spec: Sizes.
        species: The elements.
    """

    def __init__(self, spec: NEATSpecification, species: Species):
        super().__init__()
        sizes = spec.channels, spec.degree
        self.sum = Round(spec, species)
        self.projected = Mixing(*sizes) if spec.projections else None
        if self.projected is not None:
            with torch.no_grad():  # the sum over the degrees then starts as large as one of them
                self.projected.weight.div_(math.sqrt(spec.degree + 1))
        else:
            self.scalars = nn.Parameter(torch.randn(spec.channels, spec.channels) / math.sqrt(spec.channels))
        self.weights = nn.Parameter(torch.randn(spec.channels, spec.channels) / math.sqrt(spec.channels))
        self.passed, self.kept = Mixing(*sizes), ElementScale(species, *sizes)

    def forward(
        self,
        angular: Float[Tensor, "pairs m"],
        radial: Float[Tensor, "pairs functions"],
        envelope: Float[Tensor, "pairs 1"],
        nodes: Nodes,
        edges: Edges,
        elements: Elements,
    ) -> Nodes:
        """Compute the new tensors of the atoms from those of their neighbors."""
        units = self.sum.units(radial) * envelope
        scalars = self._find_scalars(angular, nodes, edges)
        embedded = self.sum.embedding(moments(angular, units * scalars, edges.i, edges.offsets))
        sums = math.sqrt(0.5) * (embedded + messages((units @ self.weights)[:, None], self.passed(nodes), edges))
        return math.sqrt(0.5) * (self.sum.sum_powers(sums, elements) + self.kept(nodes, elements))

    def _find_scalars(
        self, angular: Float[Tensor, "pairs m"], nodes: Nodes, edges: Edges
    ) -> Float[Tensor, "pairs channels"]:
        """Find the scalars of the neighbor of each pair."""
        if self.projected is None:
            return gather_neighbors(nodes[:, 0] @ self.scalars, edges.j, edges.reverse, edges.offsets)
        nodes = self.projected(nodes)
        if edges.reverse is None:
            signs = angular.new_tensor([(-1.0) ** math.isqrt(m) for m in range(angular.shape[1])])
            return project_neighbors(angular * signs, nodes, edges)
        return gather_reverse(contract_angular(angular, nodes, edges.i, edges.offsets), edges.reverse)
