"""REANN, the recursively embedded atom neural network: orbital coefficients that know their environment.

Y. Zhang, J. Xia, B. Jiang, Phys. Rev. Lett. 2021, 127, 156002, doi:10.1103/PhysRevLett.127.156002;
J. Chem. Phys. 2022, 156, 114801, doi:10.1063/5.0080766.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from atnn.functions import ElementNetwork, PerElement, Species
from atnn.kernels import gather_neighbors, moments
from atnn.representations.density import Density
from atnn.representations.orbitals import GaussianOrbitals, monomials
from atnn.specification import Specification
from atnn.structures import Edges, Elements, Features, Structures


class REANNSpecification(Specification):
    """What defines a REANN representation; defaults are those of the published gas-surface example."""

    name: Literal["reann"] = "reann"
    cutoff: float = Field(5.0, gt=0, description="cutoff radius [Angstrom]")
    channels: int = Field(8, ge=2, le=256, description="radial channels k")
    degree: int = Field(2, ge=0, le=3, description="largest angular degree L")
    rounds: int = Field(3, ge=0, le=8, description="updates of the orbital coefficients T")
    densities: int | None = Field(None, ge=1, le=4096, description="densities p; none: (L+1) k (k+1) / 2")
    hidden: tuple[int, ...] = Field((64, 64), min_length=1, description="layer widths of one residual block")
    blocks: int = Field(1, ge=1, le=8, description="residual blocks of each network")


class REANN(nn.Module):
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

    neighbor_count: Tensor

    def __init__(self, specification: REANNSpecification, species: Species):
        super().__init__()
        spec = self.specification = specification
        self.cutoff = spec.cutoff
        self.radial = GaussianOrbitals(species, spec.channels, spec.cutoff)
        self.coefficients = PerElement(species, torch.randn(len(species.numbers), spec.channels))
        self.register_buffer("neighbor_count", torch.tensor(10.0))
        densities = spec.densities or (spec.degree + 1) * spec.channels * (spec.channels + 1) // 2
        self.density = Density(spec.channels, spec.degree, densities)
        self.updates = nn.ModuleList(
            ElementNetwork(species, densities, spec.hidden, spec.channels, spec.blocks, output_scale=0.1)
            for _ in range(spec.rounds)
        )
        self.channels = (densities, spec.channels) if spec.degree else (densities,)

    def forward(self, structures: Structures, edges: Edges, elements: Elements) -> Features:
        """Last densities as invariants, last first-degree orbital sums as vectors."""
        angular = monomials(edges.vectors / edges.lengths[:, None], self.specification.degree)
        radial = self.radial(edges, elements.row) * torch.rsqrt(self.neighbor_count)
        coefficients = self.coefficients().index_select(0, elements.row)
        for update in self.updates:
            densities = self.density.summed(self._sums(angular, radial, coefficients, edges))
            coefficients = coefficients + update(densities, elements)
        sums = self._sums(angular, radial, coefficients, edges)
        invariants = self.density.summed(sums)[:, None]
        return Features((invariants, sums[:, 1:4]) if self.specification.degree else (invariants,))

    def _sums(self, angular, radial, coefficients, edges: Edges):
        weights = gather_neighbors(coefficients, edges.j, edges.reverse, edges.offsets)
        return moments(angular, radial * weights, edges.i, edges.offsets)
