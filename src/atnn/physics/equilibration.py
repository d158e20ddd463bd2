"""Charge equilibration: charges that follow from electronegativities and reach across the whole structure.

A. K. Rappe, W. A. Goddard, J. Phys. Chem. 1991, 95, 3358, doi:10.1021/j100161a070; with Gaussian charges, as in
fourth-generation networks, T. W. Ko et al., Nat. Commun. 2021, 12, 398, doi:10.1038/s41467-020-20427-2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from ase.data import covalent_radii
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from atnn import units
from atnn.functions.charges import conserved
from atnn.neighbors.pairs import edges, lengths, neighbor_pairs
from atnn.physics.boundaries import Background, check_boundaries, check_vacuum, slab_dipole_factor, slab_normal
from atnn.physics.ewald import decay, screened, wave_matrix
from atnn.specification import Specification
from atnn.structures import Elements, Structures

NARROWEST = 1.0  # Angstrom, of the Gaussians summed over waves: narrower ones only cost more waves


class EquilibrationSpecification(Specification):
    """Gaussian charges that minimise the energy of electronegativity, hardness and Coulomb's law."""

    name: Literal["equilibration"] = "equilibration"
    width: float = Field(1.0, gt=0, le=3, description="widths of the charges in units of the covalent radii")
    accuracy: float = Field(1e-6, ge=1e-12, le=1e-2, description="relative error of sums over periodic images")
    background: Background = Field("none", description="what neutralises charged cells; none: they are refused")


class Equilibrium(NamedTuple):
    """Charges of lowest energy.

    Attributes:
        charges: Of the atoms [e].
        energy: The minimum of each structure [eV], float64. Being one, it does not change to first order with the
            charges: forces come from positions, electronegativities and hardnesses alone.
    """

    charges: Float[Tensor, " atoms"]
    energy: Float[Tensor, " structures"]


class Equilibration(nn.Module):
    """Minimum of ``sum_i (chi_i q_i + J_i q_i^2 / 2) + k_e / 2 sum_ij q_i A_ij q_j`` at fixed total charge.

        A_ij = erf(r_ij / (sqrt(2) gamma_ij)) / r_ij,  gamma_ij^2 = sigma_i^2 + sigma_j^2
        A_ii = 1 / (sqrt(pi) sigma_i)

    In periodic structures A is summed over all images (Ewald), in slabs with the correction of Yeh and Berkowitz. One
    linear system per structure, solved in float64 and differentiable by all that enters; the work grows as atoms cubed.

    Args:
        specification: Widths and accuracy.
        numbers: Atomic numbers of the model's elements.
    """

    widths: Tensor

    def __init__(self, specification: EquilibrationSpecification, numbers: Sequence[int]):
        super().__init__()
        self.specification = specification
        widths = torch.tensor([specification.width * float(covalent_radii[z]) for z in numbers], dtype=torch.float64)
        self.register_buffer("widths", widths, persistent=False)
        # Waves stand for Gaussians no narrower than any pair of charges, so that what they miss ends at the reach.
        self.smearing = max(NARROWEST, math.sqrt(2) * float(widths.max()))
        self.reach = self.smearing * decay(specification.accuracy)

    def forward(
        self,
        structures: Structures,
        elements: Elements,
        electronegativity: Float[Tensor, " atoms"],
        hardness: Float[Tensor, " atoms"],
    ) -> Equilibrium:
        """Charges and energies of lowest energy.

        Args:
            structures: Positions, cells and total charges (zero where not stated).
            elements: Elements of the atoms.
            electronegativity: chi [eV/e].
            hardness: J [eV/e^2], not negative: the minimum must be one.

        Raises:
            DataError: A total charge that the boundary conditions do not allow, see :func:`check_boundaries`.
        """
        exact = structures.to(dtype=torch.float64)
        total = exact.cell.new_zeros(len(structures)) if exact.charge is None else exact.charge
        check_boundaries(exact.cell, exact.pbc, total, self.specification.background)
        widths = self.widths.to(torch.float64)[elements.row]
        counts = structures.counts.tolist()
        atoms = (x.double().split(counts) for x in (widths, electronegativity, hardness))
        charges, energies = [], []
        for index, (width, chi, j) in enumerate(zip(*atoms, strict=True)):
            matrix = units.coulomb * self.interactions(exact.select([index]), width) + torch.diag(j)
            own = _minimum(matrix, chi, total[index])
            charges.append(own)
            energies.append(own @ (chi + 0.5 * (matrix @ own)))
        balanced = conserved(torch.cat(charges), total, structures.batch)
        return Equilibrium(balanced.to(electronegativity.dtype), torch.stack(energies))

    def interactions(self, structure: Structures, widths: Float[Tensor, " atoms"]) -> Float[Tensor, "atoms atoms"]:
        """Coulomb matrix of unit Gaussian charges in one structure [1/Angstrom], images included."""
        if bool(structure.pbc.any()):
            return self._periodic(structure, widths)
        first, second = torch.triu_indices(len(widths), len(widths), 1, device=widths.device)
        distances = lengths(structure.positions[second] - structure.positions[first])
        half = _scatter(screened(distances, _joint(widths[first], widths[second])), first, second, widths)
        return half + half.T + torch.diag(1 / (math.sqrt(math.pi) * widths))

    def _periodic(self, structure: Structures, widths: Tensor) -> Tensor:
        """Gaussians of one smearing by waves, what the true widths change by pairs, a background where charged."""
        positions, cell, pbc = structure.positions, structure.cell[0], structure.pbc[0]
        pairs = edges(structure, neighbor_pairs(structure, self.reach))
        joint = _joint(widths[pairs.i], widths[pairs.j])
        change = screened(pairs.lengths, joint) - screened(pairs.lengths, self.smearing)
        change = _scatter(change, pairs.i, pairs.j, widths)
        own = 1 / (math.sqrt(math.pi) * widths) - math.sqrt(2 / math.pi) / self.smearing
        mean = self.smearing**2 - widths[:, None] ** 2 - widths**2
        matrix = wave_matrix(positions, cell, self.smearing, self.specification.accuracy)
        matrix = matrix + change + torch.diag(own) - 2 * math.pi * mean / torch.linalg.det(cell).abs()
        if not bool(pbc.all()):
            check_vacuum(positions, cell, pbc, self.reach)
            heights = positions @ slab_normal(cell, pbc)[0]
            matrix = matrix + slab_dipole_factor(cell) * heights[:, None] * heights
        return matrix


def _joint(first: Tensor, second: Tensor) -> Tensor:
    return torch.sqrt(first * first + second * second)


def _scatter(values: Tensor, rows: Tensor, columns: Tensor, widths: Tensor) -> Tensor:
    """Square matrix over the atoms that has the values of all pairs, those of repeated pairs added."""
    count = len(widths)
    return widths.new_zeros(count * count).index_add(0, rows * count + columns, values).reshape(count, count)


def _minimum(matrix: Tensor, electronegativity: Tensor, charge: Tensor) -> Tensor:
    """Charges q of least ``chi q + q A q / 2`` that sum to the charge; the Lagrange multiplier is the last unknown."""
    ones = torch.ones_like(electronegativity)
    bordered = torch.cat([torch.cat([matrix, ones[:, None]], 1), torch.cat([ones, ones.new_zeros(1)])[None]])
    return torch.linalg.solve(bordered, torch.cat([-electronegativity, charge[None]]))[:-1]
