"""Screened nuclear repulsion at short range.

J. F. Ziegler, J. P. Biersack, U. Littmark, The Stopping and Range of Ions in Solids (Pergamon, 1985).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import torch
from ase.data import covalent_radii
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from atnn import units
from atnn.functions import polynomial
from atnn.kernels import gather_centers, gather_neighbors
from atnn.specification import Specification
from atnn.structures import Edges, Elements, Structures

SCREENING = ((0.18175, 3.19980), (0.50986, 0.94229), (0.28022, 0.40290), (0.02817, 0.20162))
SCREENING_EXPONENT, SCREENING_LENGTH = 0.23, 0.46850  # Angstrom


class ZBLSpecification(Specification):
    """Universal screened repulsion, switched off where bonds begin."""

    inputs: ClassVar[tuple[str, ...]] = ()
    name: Literal["zbl"] = "zbl"
    reach: float = Field(1.0, gt=0, le=2, description="range in units of the sum of the two covalent radii")


class ZBL(nn.Module):
    """``E = 1/2 sum_ij k_e Z_i Z_j / r  phi(r / a_ij)  f(r / (reach (R_i + R_j)))``.

    ``phi`` is the universal screening function, ``a_ij = 0.4685 / (Z_i^0.23 + Z_j^0.23)`` Angstrom, R are covalent
    radii and f a polynomial envelope with two continuous derivatives. It keeps dynamics from collapsing
    where no data are; inside the range of the data the network learns the difference.

    Args:
        specification: Range of the term.
        numbers: Atomic numbers of the model's elements.
    """

    table: Tensor

    def __init__(self, specification: ZBLSpecification, numbers: Sequence[int]):
        super().__init__()
        self.specification = specification
        self.cutoff = 2 * specification.reach * float(max(covalent_radii[list(numbers)]))
        charges = torch.tensor([float(z) for z in numbers])
        radii = torch.tensor([float(covalent_radii[z]) for z in numbers])
        table = torch.stack([charges, charges**SCREENING_EXPONENT, specification.reach * radii], dim=1)
        self.register_buffer("table", table, persistent=False)

    def forward(
        self, structures: Structures, edges: Edges, elements: Elements, predicted: Mapping[str, Tensor]
    ) -> Float[Tensor, " structures"]:
        """Energies [structures] in eV, float64."""
        atoms = self.table.index_select(0, elements.row)
        zi, si, ri = gather_centers(atoms, edges.i, edges.offsets).unbind(1)
        zj, sj, rj = gather_neighbors(atoms, edges.j, edges.reverse, edges.offsets).unbind(1)
        energy = pair_energy(edges.lengths, zi * zj, si + sj) * polynomial(edges.lengths / (ri + rj))
        total = energy.new_zeros(structures.cell.shape[0], dtype=torch.float64)
        return total.index_add(0, structures.batch[edges.i], 0.5 * energy.double())


def pair_energy(
    lengths: Float[Tensor, " pairs"], charges: Float[Tensor, " pairs"], screening: Float[Tensor, " pairs"]
) -> Float[Tensor, " pairs"]:
    """Screened Coulomb energy [eV] of nuclei with the product of ``charges``, without an envelope."""
    x = lengths * screening / SCREENING_LENGTH
    phi = torch.zeros_like(x)
    for weight, decay in SCREENING:
        phi = phi + weight * torch.exp(-decay * x)
    return units.coulomb * charges * phi / lengths
