"""REANN, the recursively embedded atom neural network: orbital coefficients depend on the atom's environment.

Y. Zhang, J. Xia, B. Jiang, Phys. Rev. Lett. 2021, 127, 156002, doi:10.1103/PhysRevLett.127.156002;
J. Chem. Phys. 2022, 156, 114801, doi:10.1063/5.0080766.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

import torch
from pydantic import Field
from torch import nn

from atnn.functions import Activation, ElementNetwork, Species
from atnn.representations.density import Density
from atnn.representations.orbitals import OrbitalSpecification, OrbitalSums
from atnn.specification import Widths
from atnn.structures import HIGHEST, Edges, Elements, Features, Structures


class RecursiveSpecification(OrbitalSpecification):
    """Settings of orbitals whose coefficients are updated by networks of the densities."""

    rounds: int = Field(3, ge=0, le=8, description="number T of updates of the orbital coefficients")
    densities: int | None = Field(None, ge=1, le=4096, description="number of densities p; none: (L+1) k (k+1) / 2")
    hidden: Widths = Field((64, 64), min_length=1, description="layer widths of one residual block")
    blocks: int = Field(1, ge=1, le=8, description="residual blocks of each network")
    activation: Activation = Field("silu", description="activation of the networks: silu, or a learned one")
    layer_norm: bool = Field(False, description="normalise the layers in the residual blocks, as published")

    @property
    def density_count(self) -> int:
        """Number of densities p."""
        return self.densities or (self.degree + 1) * self.channels * (self.channels + 1) // 2

    def build_updates(self, species: Species) -> nn.ModuleList:
        """Build the networks of all rounds, which map densities to changes of the coefficients."""
        sizes = self.density_count, self.hidden, self.channels, self.blocks
        form: dict[str, Any] = {"activation": self.activation, "layer_norm": self.layer_norm}
        return nn.ModuleList(ElementNetwork(species, *sizes, output_scale=0.1, **form) for _ in range(self.rounds))


class REANNSpecification(RecursiveSpecification):
    """Settings of a REANN representation; the defaults are those of the published gas-surface example."""

    name: Literal["reann"] = "reann"

    def build(self, species: Species, conditions: Collection[str] = ()) -> REANN:
        """Build the representation."""
        return REANN(self, species, conditions)


class REANN(OrbitalSums):
    """EANN in which networks of each neighbor's own density update its orbital coefficients.

        W_i^{m,k} = n^{-1/2} sum_j c_{j,k}^{(t)} phi_m(r_ij) g_k(r_ij)
        rho_i^{(t),p} = sum_l sum_{m in l} (sum_k H_{l,k,p} W_i^{m,k})^2
        c_j^{(t+1)} = c_j^{(t)} + NN^{(t)}_{z_j}(rho_j^{(t)}),   c_j^{(0)} = c_{z_j}

    The density after T rounds is the representation; it depends on atoms up to (T + 1) cutoffs away. All rounds share
    H. Coefficients, contraction and neighbor sum commute, so no round stores a pair tensor with angular components.

    Args:
        specification: Sizes and cutoff.
        species: The elements, and whether they share networks and parameters.
        conditions: Conditions of the model, of which the electric field enters by a :class:`FieldOrbital`.
    """

    def __init__(self, specification: REANNSpecification, species: Species, conditions: Collection[str] = ()):
        super().__init__(specification, species, conditions)
        spec = self.specification = specification
        self.density = Density(spec.channels, spec.degree, spec.density_count)
        self.updates = spec.build_updates(species)
        self.channels = (spec.density_count, *[spec.channels] * spec.degree)

    def forward(self, structures: Structures, edges: Edges, elements: Elements, degree: int = HIGHEST) -> Features:
        """Return the last densities as invariants and the last orbital sums as tensors."""
        angular, field = self.angular(edges), self.apply_field(structures)
        radial = self.radial(edges, elements.row) * torch.rsqrt(self.neighbor_count)
        coefficients = self.coefficients().index_select(0, elements.row)
        for update in self.updates:
            sums = self.sum_orbitals(angular, radial, coefficients, edges, field)
            densities = self.density.sum_degrees(sums)
            coefficients = coefficients + update(densities, elements)
        sums = self.sum_orbitals(angular, radial, coefficients, edges, field)
        return self.as_features(self.density.sum_degrees(sums), sums, degree)
