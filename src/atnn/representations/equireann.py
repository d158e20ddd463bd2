"""EquiREANN: REANN in which orbitals are also passed on and updated, so that messages carry directions.

Z. Wu, J. Xia, Y. Zhang, B. Jiang, J. Phys. Chem. A 2024, 128, 11061, doi:10.1021/acs.jpca.4c06669.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import torch
from torch import nn

from atnn.functions import Species
from atnn.kernels import cosine_squared, weighted_neighbor_sum
from atnn.representations.density import Density
from atnn.representations.orbitals import OrbitalSums
from atnn.representations.reann import RecursiveSpecification
from atnn.structures import HIGHEST, Edges, Elements, Features, Structures


class EquiREANNSpecification(RecursiveSpecification):
    """Settings of an EquiREANN representation; the defaults are those of REANN, so that both have equal size."""

    name: Literal["equireann"] = "equireann"

    def build(self, species: Species, conditions: Collection[str] = ()) -> EquiREANN:
        """Build the representation."""
        return EquiREANN(self, species, conditions)


class EquiREANN(OrbitalSums):
    """REANN in which an atom also passes on its orbital sums, which are tensors and carry directions.

        W_i^{(t)} = n^{-1/2} sum_j c_j^{(t)} O_ij^{(t)},          O_ij^{(0)} = phi_m(r_ij) g_k(r_ij)
        rho_i^{(t),p} = sum_l sum_{m in l} (sum_k H^{(t)}_{l,k,p} W_i^{(t) m,k})^2
        c_j^{(t+1)} = c_j^{(t)} + NN^{(t)}_{z_j}(rho_j^{(t)}),    O_ij^{(t+1)} = O_ij^{(t)} + f_c(r_ij) W_j^{(t)}

    Every degree l passes on its own components, so the density stays invariant. The published code stores and updates
    the pair tensors O_ij. This is unnecessary: with ``V_j``, the sum of all W_j of earlier rounds,

        W_i^{(t)} = n^{-1/2} sum_j c_j^{(t)} O_ij^{(0)} + n^{-1/2} sum_j f_c(r_ij) (c_j^{(t)} V_j),

    where the second part is a sparse matrix product with one number per pair. Unlike in REANN, each round has its own
    H, as published.

    Args:
        specification: Sizes and cutoff.
        species: The elements, and whether they share networks and parameters.
        conditions: Conditions of the model, of which the electric field enters by a :class:`FieldOrbital`.
    """

    def __init__(self, specification: EquiREANNSpecification, species: Species, conditions: Collection[str] = ()):
        super().__init__(specification, species, conditions)
        spec = self.specification = specification
        self.densities = nn.ModuleList(
            Density(spec.channels, spec.degree, spec.density_count) for _ in range(spec.rounds + 1)
        )
        self.updates = spec.build_updates(species)
        self.channels = (spec.density_count, *[spec.channels] * spec.degree)

    def forward(self, structures: Structures, edges: Edges, elements: Elements, degree: int = HIGHEST) -> Features:
        """Return the last densities as invariants and the last orbital sums as tensors."""
        angular, field = self.angular(edges), self.apply_field(structures)
        scale = torch.rsqrt(self.neighbor_count)
        radial = self.radial(edges, elements.row) * scale
        envelope = cosine_squared(edges.lengths, self.cutoff) * scale
        coefficients = self.coefficients().index_select(0, elements.row)
        sums = passed = self.sum_orbitals(angular, radial, coefficients, edges, field)
        for t, update in enumerate(self.updates):
            coefficients = coefficients + update(self._sum_densities(t, sums), elements)
            weighted = (coefficients[:, None] * passed).flatten(1)
            message = weighted_neighbor_sum(envelope, weighted, edges).reshape(passed.shape)
            sums = self.sum_orbitals(angular, radial, coefficients, edges, field) + message
            passed = passed + sums
        return self.as_features(self._sum_densities(-1, sums), sums, degree)

    def _sum_densities(self, t: int, sums):
        density = self.densities[t]
        assert isinstance(density, Density)
        return density.sum_degrees(sums)
