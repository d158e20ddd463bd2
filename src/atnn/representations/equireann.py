"""EquiREANN: REANN whose orbitals, too, are passed on and updated, so that messages carry directions.

Z. Wu, J. Xia, Y. Zhang, B. Jiang, J. Phys. Chem. A 2024, 128, 11061, doi:10.1021/acs.jpca.4c06669.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from atnn.functions import ElementNetwork, PerElement, Species
from atnn.kernels import cosine_squared, gather_neighbors, moments, spread
from atnn.representations.density import Density
from atnn.representations.orbitals import GaussianOrbitals, monomials
from atnn.specification import Specification
from atnn.structures import Edges, Elements, Features, Structures


class EquiREANNSpecification(Specification):
    """What defines an EquiREANN representation; defaults are those of REANN, for equal size."""

    name: Literal["equireann"] = "equireann"
    cutoff: float = Field(5.0, gt=0, description="cutoff radius [Angstrom]")
    channels: int = Field(8, ge=2, le=256, description="radial channels k")
    degree: int = Field(2, ge=0, le=3, description="largest angular degree L")
    rounds: int = Field(3, ge=0, le=8, description="updates of coefficients and orbitals T")
    densities: int | None = Field(None, ge=1, le=4096, description="densities p; none: (L+1) k (k+1) / 2")
    hidden: tuple[int, ...] = Field((64, 64), min_length=1, description="layer widths of one residual block")
    blocks: int = Field(1, ge=1, le=8, description="residual blocks of each network")


class EquiREANN(nn.Module):
    """REANN in which an atom also passes on the sum of its orbitals, a tensor that knows directions.

        W_i^{(t)} = n^{-1/2} sum_j c_j^{(t)} O_ij^{(t)},          O_ij^{(0)} = phi_m(r_ij) g_k(r_ij)
        rho_i^{(t),p} = sum_l sum_{m in l} (sum_k H^{(t)}_{l,k,p} W_i^{(t) m,k})^2
        c_j^{(t+1)} = c_j^{(t)} + NN^{(t)}_{z_j}(rho_j^{(t)}),    O_ij^{(t+1)} = O_ij^{(t)} + f_c(r_ij) W_j^{(t)}

    Every degree l passes on its own components, so the density stays invariant. The published code updates the pair
    tensors O_ij. They need not exist: with ``V_j`` the sum of all W_j of earlier rounds,

        W_i^{(t)} = n^{-1/2} sum_j c_j^{(t)} O_ij^{(0)} + n^{-1/2} sum_j f_c(r_ij) (c_j^{(t)} V_j),

    of which the second part is a sparse matrix product with one number per pair. Unlike in REANN, H differs from
    round to round, as published.

    Args:
        specification: Sizes and cutoff.
        species: The elements, and whether they share networks and parameters.
    """

    neighbor_count: Tensor

    def __init__(self, specification: EquiREANNSpecification, species: Species):
        super().__init__()
        spec = self.specification = specification
        self.cutoff = spec.cutoff
        self.radial = GaussianOrbitals(species, spec.channels, spec.cutoff)
        self.coefficients = PerElement(species, torch.randn(len(species.numbers), spec.channels))
        self.register_buffer("neighbor_count", torch.tensor(10.0))
        densities = spec.densities or (spec.degree + 1) * spec.channels * (spec.channels + 1) // 2
        self.densities = nn.ModuleList(Density(spec.channels, spec.degree, densities) for _ in range(spec.rounds + 1))
        self.updates = nn.ModuleList(
            ElementNetwork(species, densities, spec.hidden, spec.channels, spec.blocks, output_scale=0.1)
            for _ in range(spec.rounds)
        )
        self.channels = (densities, spec.channels) if spec.degree else (densities,)

    def forward(self, structures: Structures, edges: Edges, elements: Elements) -> Features:
        """Last densities as invariants, last first-degree orbital sums as vectors."""
        angular = monomials(edges.vectors / edges.lengths[:, None], self.specification.degree)
        scale = torch.rsqrt(self.neighbor_count)
        radial = self.radial(edges, elements.row) * scale
        envelope = cosine_squared(edges.lengths, self.cutoff) * scale
        coefficients = self.coefficients().index_select(0, elements.row)
        sums = passed = self._sums(angular, radial, coefficients, edges)
        for t, update in enumerate(self.updates):
            coefficients = coefficients + update(self._density(t, sums), elements)
            message = spread(envelope, (coefficients[:, None] * passed).flatten(1), edges).reshape(passed.shape)
            sums = self._sums(angular, radial, coefficients, edges) + message
            passed = passed + sums
        invariants = self._density(-1, sums)[:, None]
        return Features((invariants, sums[:, 1:4]) if self.specification.degree else (invariants,))

    def _density(self, t: int, sums):
        density = self.densities[t]
        assert isinstance(density, Density)
        return density.summed(sums)

    def _sums(self, angular, radial, coefficients, edges: Edges):
        weights = gather_neighbors(coefficients, edges.j, edges.reverse, edges.offsets)
        return moments(angular, radial * weights, edges.i, edges.offsets)
