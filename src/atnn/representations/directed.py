"""A wrapper that gives vectors and tensors to representations that lack them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from atnn.functions import ElementNetwork, PerElement, Species
from atnn.kernels import gather_neighbors, moments
from atnn.parts import ADDED_CHANNELS as CHANNELS
from atnn.representations.orbitals import GaussianOrbitals
from atnn.so3 import spherical_harmonics
from atnn.structures import HIGHEST, Edges, Elements, Features, Structures

WIDTH = 32  # hidden layers of the network


class Directed(nn.Module):
    """Appends features of the degrees that a representation lacks: harmonics of the directions to the neighbors.

        V_i^{lm,k} = n^{-1/2} sum_j [ c_{z_j,k} + NN_{z_j}(invariants_j)_k ] g_k(r_ij) Y_lm(r_ij)

    The functions g_k of :class:`GaussianOrbitals` contain the cutoff function, so that the features are smooth where an
    atom crosses the cutoff. The coefficients of a neighbor depend on its own environment, as in REANN. The sums contain
    relative vectors only. This is the route of T-EANN and T-REANN (Y. Zhang et al., J. Phys. Chem. B 2020, 124, 7284,
    doi:10.1021/acs.jpcb.0c06926) from scalars to tensors, except that these use absolute positions.

    Args:
        representation: The representation.
        degree: Largest degree of the features.
        species: The elements, and whether they share networks.
    """

    neighbor_count: Tensor

    def __init__(self, representation: Any, degree: int, species: Species):
        super().__init__()
        self.representation, self.cutoff, self.degree = representation, representation.cutoff, degree
        self.local = getattr(representation, "local", True)
        self.own = len(representation.channels)  # number of degrees that the representation has
        self.channels = (*representation.channels, *[CHANNELS] * (degree + 1 - self.own))
        self.radial = GaussianOrbitals(species, CHANNELS, self.cutoff)
        self.coefficients = PerElement(species, torch.randn(len(species.numbers), CHANNELS))
        self.update = ElementNetwork(species, representation.channels[0], (WIDTH, WIDTH), CHANNELS, output_scale=0.1)
        self.register_buffer("neighbor_count", torch.tensor(10.0))

    def forward(self, structures: Structures, edges: Edges, elements: Elements, degree: int = HIGHEST) -> Features:
        """Return the features of the representation, followed by those of the degrees that it lacks."""
        features = self.representation(structures, edges, elements, degree)
        degree = min(degree, self.degree)
        if degree < self.own:
            return features
        coefficients = self.coefficients().index_select(0, elements.row)
        coefficients = coefficients + self.update(features.nodes[0].squeeze(1), elements)
        weights = gather_neighbors(coefficients, edges.j, edges.reverse, edges.offsets)
        weights = weights * self.radial(edges, elements.row) * torch.rsqrt(self.neighbor_count)
        angular = spherical_harmonics(edges.vectors / edges.lengths[:, None], degree)[self.own :]
        return Features((*features.nodes, *(moments(y, weights, edges.i, edges.offsets) for y in angular)))
