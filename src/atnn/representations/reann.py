"""REANN, the recursively embedded atom neural network: orbital coefficients that know their environment.

Y. Zhang, J. Xia, B. Jiang, Phys. Rev. Lett. 2021, 127, 156002, doi:10.1103/PhysRevLett.127.156002;
J. Chem. Phys. 2022, 156, 114801, doi:10.1063/5.0080766.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from atnn.functions import ElementNetwork, Species
from atnn.representations.density import Density
from atnn.representations.orbitals import OrbitalSpecification, OrbitalSums
from atnn.structures import HIGHEST, Edges, Elements, Features, Structures


class RecursiveSpecification(OrbitalSpecification):
    """What defines orbitals whose coefficients are updated by networks of densities."""

    rounds: int = Field(3, ge=0, le=8, description="updates of the orbital coefficients T")
    densities: int | None = Field(None, ge=1, le=4096, description="densities p; none: (L+1) k (k+1) / 2")
    hidden: tuple[int, ...] = Field((64, 64), min_length=1, description="layer widths of one residual block")
    blocks: int = Field(1, ge=1, le=8, description="residual blocks of each network")

    @property
    def density_count(self) -> int:
        """Densities p."""
        return self.densities or (self.degree + 1) * self.channels * (self.channels + 1) // 2

    def updates(self, species: Species) -> nn.ModuleList:
        """The networks of all rounds, from densities to changes of the coefficients."""
        sizes = self.density_count, self.hidden, self.channels, self.blocks
        return nn.ModuleList(ElementNetwork(species, *sizes, output_scale=0.1) for _ in range(self.rounds))


class REANNSpecification(RecursiveSpecification):
    """What defines a REANN representation; defaults are those of the published gas-surface example."""

    name: Literal["reann"] = "reann"

    def build(self, species: Species, conditions: Collection[str] = ()) -> REANN:
        """The representation."""
        return REANN(self, species)


class REANN(OrbitalSums):
    """EANN whose orbital coefficients are updated by networks of the neighbors' own densities.

        W_i^{m,k} = n^{-1/2} sum_j c_{j,k}^{(t)} phi_m(r_ij) g_k(r_ij)
        rho_i^{(t),p} = sum_l sum_{m in l} (sum_k H_{l,k,p} W_i^{m,k})^2
        c_j^{(t+1)} = c_j^{(t)} + NN^{(t)}_{z_j}(rho_j^{(t)}),   c_j^{(0)} = c_{z_j}

    After T rounds the density is the representation; it sees (T + 1) cutoffs far. H is shared by all rounds.
    Since coefficients, contraction and neighbor sum commute, no round stores a pair tensor with angular components.

    Args:
        specification: Sizes and cutoff.
        species: The elements, and whether they share networks and parameters.
    """

    def __init__(self, specification: REANNSpecification, species: Species):
        super().__init__(specification, species)
        spec = self.specification = specification
        self.density = Density(spec.channels, spec.degree, spec.density_count)
        self.updates = spec.updates(species)
        self.channels = (spec.density_count, *[spec.channels] * spec.degree)

    def forward(self, structures: Structures, edges: Edges, elements: Elements, degree: int = HIGHEST) -> Features:
        """Last densities as invariants, last orbital sums as tensors."""
        angular = self.angular(edges)
        radial = self.radial(edges, elements.row) * torch.rsqrt(self.neighbor_count)
        coefficients = self.coefficients().index_select(0, elements.row)
        for update in self.updates:
            densities = self.density.summed(self.sum_orbitals(angular, radial, coefficients, edges))
            coefficients = coefficients + update(densities, elements)
        sums = self.sum_orbitals(angular, radial, coefficients, edges)
        return self.as_features(self.density.summed(sums), sums, degree)
