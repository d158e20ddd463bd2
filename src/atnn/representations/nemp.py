"""NEMP, node-equivariant message passing: atoms carry spherical tensors and their products, pairs only scalars.

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
from atnn.kernels import contract_angular, gather_reverse, messages, sum_centers
from atnn.representations.pair_functions import PairFunctions, PairNetwork
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
    sum_harmonics,
)
from atnn.so3 import spherical_harmonics
from atnn.specification import Widths
from atnn.structures import HIGHEST, Edges, Elements, Features, Structures


class NEMPSpecification(RepresentationSpecification):
    """Settings of a NEMP representation.

    The defaults are the sizes of the published example input. The networks on pairs and elements are smaller than
    published, see the page on representations for all that differs.
    """

    name: Literal["nemp"] = "nemp"
    cutoff: float = Field(6.0, gt=0, le=100, description="cutoff radius [Angstrom]")
    channels: int = Field(16, ge=1, le=256, description="channels k of every degree")
    degree: int = Field(2, ge=1, le=3, description="largest angular degree L")
    rounds: int = Field(3, ge=1, le=8, description="rounds of message passing")
    radial: int = Field(16, ge=2, le=64, description="radial functions of each pair of elements")
    hidden: Widths = Field((64,), description="hidden layers of the networks on pairs")

    def build(self, species: Species, conditions: Collection[str] = ()) -> NEMP:
        """Build the representation."""
        return NEMP(self, species)


class NEMP(nn.Module):
    """Message passing in which pairs carry only scalars, and one tensor product per round is taken at the atoms.

        A_i^{lm,k} = n_i sum_j w_lk(x_ij) Y_lm(r_ij), then scaled by element and mixed over channels;
        n_i = n^{1/2} / (1 + sum_j f_ij)
        s_ij <- [ s_ij, sum_m Y_lm(r_ij) (u_lk(x_ij) A_i^{lm,k} + v_lk(x_ij) A_j^{lm,k}) ],   s_ij = x_ij at first
        M_i^{lm,k} = n_i sum_j f_ij W1_lk(s_ij) (C A_j)^{lm,k},   G_i^{lm,k} = n_i sum_j f_ij W2_lk(s_ij) Y_lm(r_ij)
        P_i^l = sum over l1, l2 of g_{l1 l2 l,k,z_i} (G_i^{l1} x M_i^{l2})^l
        A_i <- (C' A_i + C'' P_i) / sqrt(2)

    x_ij are radial functions of the pair of elements, and f is their envelope. W1 and W2 are outputs of one network;
    w, u and v are linear. Tensors A are divided by ``sqrt(1 + mean A^2)``, which bounds them. The publication divides
    by the root mean square itself, which is zero for an atom without neighbors. For the same reason 1 is added to the
    smooth count of neighbors. The invariants of each round are the l = 0 part of A and ``sum_m G^{lm,k} A^{lm,k}``.

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
        """Return the invariants of all rounds and the tensors of the last one."""
        spec = self.specification
        angular = spherical_harmonics(edges.vectors / edges.lengths[:, None], spec.degree)
        scalars = radial = self.radial(edges, elements)
        envelope = self.radial.envelope(edges)
        count = sum_centers(envelope, edges.i, edges.offsets)
        norm = (torch.sqrt(self.neighbor_count) / (1.0 + count))[:, :, None]
        nodes = sum_harmonics(angular, self.start(radial).split(spec.channels, dim=1), edges) * norm
        nodes = bound_norms(self.mixing(self.scale(nodes, elements)))
        invariants = [nodes[:, 0], contract_tensors(nodes, nodes, spec.degree)]
        for update in self.rounds:
            nodes, scalars, found = update(angular, radial, scalars, envelope, norm, nodes, edges, elements)
            invariants += [nodes[:, 0], found]
        return Features((torch.cat(invariants, dim=1)[:, None], *split_degrees(nodes, spec.degree)[1:]))


class Round(nn.Module):
    """One round: it extends the scalars of the pairs, forms messages and multiplies tensors at the atoms.

    Args:
        spec: Sizes.
        species: The elements.
        scalars: Number of scalars of a pair before the round.
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
        """Return the new tensors, the scalars of the pairs, and the invariants of the round."""
        scalars = torch.cat([scalars, self._project_nodes(angular, radial, nodes, edges)], dim=1)
        first, second = (self.network(scalars) * envelope).chunk(2, dim=1)
        weights = first.reshape(-1, self.degree + 1, self.channels)
        message = messages(weights, self.passed(nodes), edges) * norm
        embedded = sum_harmonics(angular, second.split(self.channels, dim=1), edges) * norm
        product = self.product(embedded, message, elements)
        nodes = bound_norms(math.sqrt(0.5) * (self.kept(nodes) + self.gained(product)))
        return nodes, scalars, contract_tensors(embedded, nodes, self.degree)

    def _project_nodes(self, angular, radial, nodes, edges: Edges):
        parts = zip(angular, split_degrees(nodes, self.degree), strict=True)
        here = torch.cat([contract_angular(y, part, edges.i, edges.offsets) for y, part in parts], dim=1)
        # The neighbor's tensors are projected on the opposite direction; the network can learn the sign (-1)^l.
        there = (
            self._project_neighbors(angular, nodes, edges)
            if edges.reverse is None
            else gather_reverse(here, edges.reverse)
        )
        u, v = self.projections(radial).chunk(2, dim=1)
        return u * here + v * there

    def _project_neighbors(self, angular, nodes, edges: Edges):
        """Project the neighbors' tensors where neighbors have no pairs of their own."""
        parts = zip(angular, split_degrees(nodes, self.degree), strict=True)
        return torch.cat([project_neighbors((-1) ** d * y, part, edges) for d, (y, part) in enumerate(parts)], dim=1)
