"""Charge equilibration: electronegativities determine charges that depend on the whole structure.

A. K. Rappe, W. A. Goddard, J. Phys. Chem. 1991, 95, 3358, doi:10.1021/j100161a070. Charges are Gaussian, as in
fourth-generation networks: T. W. Ko et al., Nat. Commun. 2021, 12, 398, doi:10.1038/s41467-020-20427-2.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from ase.data import covalent_radii
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn.functional import softplus

from atnn.functions import PerElement, Species
from atnn.neighbors.pairs import neighbor_pairs, vector_lengths
from atnn.parts import ChargesSpecification, Design, Part, Scene, Values
from atnn.physics.boundaries import Background, check_boundaries, check_vacuum, slab_dipole_factor, slab_normal
from atnn.physics.ewald import gaussian_reach, screened_coulomb, wave_matrix
from atnn.physics.opaque import FUNCTIONS, call_opaque
from atnn.structures import Structures

# Least width of the Gaussians summed over waves [Angstrom]: narrower ones cost more waves, wider ones more pairs.
NARROWEST = 1.5
HARDNESS = 0.5  # initial value in units of k_e / Angstrom, 7 eV/e^2


class EquilibrationSpecification(ChargesSpecification):
    """Gaussian charges that minimise an energy of electronegativities, hardnesses and Coulomb interactions."""

    name: Literal["equilibration"] = "equilibration"
    width: float = Field(1.0, gt=0, le=3, description="widths of the Gaussian charges in units of the covalent radii")
    accuracy: float = Field(1e-6, ge=1e-12, le=1e-2, description="relative error of sums over periodic images")
    background: Background = Field("none", description="what neutralises charged cells; none: they are an error")

    def parts(self, design: Design) -> dict[str, Part]:
        """Build the source."""
        return {self.name: Equilibration(self, design.species)}


class Equilibration(Part):
    """Charges that minimise ``sum_i (chi_i q_i + J_i q_i^2 / 2) + k_e / 2 sum_ij q_i A_ij q_j`` at the total charge.

        A_ij = erf(r_ij / (sqrt(2) gamma_ij)) / r_ij,  gamma_ij^2 = sigma_i^2 + sigma_j^2
        A_ii = 1 / (sqrt(pi) sigma_i)

    A network gives the electronegativity chi of each atom. The hardness J is a learned positive number for each
    element. Both are in units of k_e / Angstrom (14.4 eV), so that networks give numbers of order one. The widths sigma
    are proportional to covalent radii. The solution is unique at any positions. In periodic structures A is summed over
    all images (Ewald), in slabs with the correction of Yeh and Berkowitz. One linear system per structure is solved in
    float64. Its solution is differentiable by all inputs, and the work grows as atoms cubed.

    Args:
        specification: Widths and accuracy.
        species: The elements.
    """

    needs = frozenset({"raw_charges"})
    gives = frozenset({"charges"})
    conditions = frozenset({"charge"})
    widths: Tensor

    def __init__(self, specification: EquilibrationSpecification, species: Species):
        super().__init__()
        self.specification = specification
        widths = [specification.width * float(covalent_radii[z]) for z in species.numbers]
        self.register_buffer("widths", torch.tensor(widths, dtype=torch.float64), persistent=False)
        start = math.log(math.expm1(HARDNESS))
        self.hardness = PerElement(species, torch.full((len(widths), 1), start))
        # The waves sum Gaussians at least as wide as those of any pair, so that the remaining pairs have a short range.
        smearing = max(NARROWEST, math.sqrt(2) * max(widths))
        background = float(specification.background == "uniform")
        self.settings = EquilibrationSettings(smearing, specification.accuracy, background)

    def forward(self, scene: Scene, values: Values) -> dict[str, Tensor]:
        """``charges`` [atoms] of lowest energy in e.

        Args:
            scene: Positions, cells, total charges and elements.
            values: ``raw_charges``, which are the electronegativities [k_e / (e Angstrom)].

        Raises:
            DataError: The boundary conditions do not allow the total charge, see :func:`check_boundaries`.
        """
        structures, row, raw = scene.structures, scene.elements.row, values["raw_charges"]
        hardness = softplus(self.hardness()).squeeze(1).index_select(0, row)
        widths = self.widths.index_select(0, row)
        variables = (structures.positions, structures.cell, raw, hardness)
        constants = (structures.total_charge, structures.pbc, widths, structures.batch)
        return {"charges": call_opaque("equilibration", variables, constants, self.settings).to(raw.dtype)}


class EquilibrationSettings(NamedTuple):
    """Settings of :func:`equilibrium_charges`, all numbers."""

    smearing: float
    accuracy: float
    background: float


def equilibrium_charges(
    variables: Sequence[Tensor], constants: Sequence[Tensor], settings: Sequence[float]
) -> Float[Tensor, " atoms"]:
    """Solve for the charges of lowest energy [e], float64.

    Args:
        variables: Positions [atoms, 3], cells [structures, 3, 3], electronegativities and hardnesses [atoms].
        constants: Total charges [structures], periodicity [structures, 3], widths and structures of the atoms.
        settings: :class:`EquilibrationSettings`.

    Raises:
        DataError: The boundary conditions do not allow the total charge, see :func:`check_boundaries`.
    """
    positions, cell, electronegativity, hardness = (variable.double() for variable in variables)
    (total, pbc, widths, batch), chosen = constants, EquilibrationSettings(*settings)
    total, widths = total.double(), widths.double()
    check_boundaries(cell, pbc, total, "uniform" if chosen.background else "none")
    charges, places = [], []
    for size, periodic, members in _group_alike(batch, pbc):
        atoms = torch.searchsorted(batch, members)[:, None] + torch.arange(size, device=batch.device)
        own = positions[atoms], widths[atoms]
        if periodic:
            each = zip(*own, cell[members], pbc[members], strict=True)
            matrix = torch.stack([periodic_interactions(*structure, chosen) for structure in each])
        else:
            matrix = molecular_interactions(*own)
        matrix = matrix + torch.diag_embed(hardness[atoms])
        charges.append(_minimise_energy(matrix, electronegativity[atoms], total[members]).flatten())
        places.append(atoms.flatten())
    return torch.cat(charges)[torch.argsort(torch.cat(places))]


def _group_alike(batch: Tensor, pbc: Tensor) -> list[tuple[int, bool, Tensor]]:
    """Group structures to solve at once: their number of atoms, whether they are periodic, and their indices."""
    groups = defaultdict(list)
    counts = torch.bincount(batch, minlength=len(pbc)).tolist()
    for index, key in enumerate(zip(counts, pbc.any(1).tolist(), strict=True)):
        groups[key].append(index)
    return [(*key, torch.tensor(members, device=batch.device)) for key, members in groups.items() if key[0]]


def molecular_interactions(
    positions: Float[Tensor, "structures atoms 3"], widths: Float[Tensor, "structures atoms"]
) -> Float[Tensor, "structures atoms atoms"]:
    """Coulomb matrices of Gaussian unit charges in molecules of equal size [1/Angstrom]."""
    count, size = widths.shape
    first, second = torch.triu_indices(size, size, 1, device=widths.device)
    distances = vector_lengths((positions[:, first] - positions[:, second]).flatten(0, 1))
    between = screened_coulomb(distances, _joint_width(widths[:, first], widths[:, second]).flatten()).reshape(
        count, -1
    )
    half = widths.new_zeros(count, size * size).index_add(1, first * size + second, between)
    half = half.reshape(count, size, size)
    return half + half.mT + torch.diag_embed(1 / (math.sqrt(math.pi) * widths))


def periodic_interactions(
    positions: Float[Tensor, "atoms 3"],
    widths: Float[Tensor, " atoms"],
    cell: Float[Tensor, "3 3"],
    pbc: Tensor,
    settings: EquilibrationSettings,
) -> Float[Tensor, "atoms atoms"]:
    """Coulomb matrix of Gaussian unit charges and all their images in a uniform background [1/Angstrom].

    Waves sum Gaussians of one width, the smearing. Pairs, the diagonal and the mean potential correct for the true
    widths.
    """
    smearing, accuracy, _ = settings
    reach = smearing * gaussian_reach(accuracy)
    i, j, distances = _find_pairs(positions, cell, pbc, reach)
    change = screened_coulomb(distances, _joint_width(widths[i], widths[j])) - screened_coulomb(distances, smearing)
    count = len(widths)
    between = widths.new_zeros(count * count).index_add(0, i * count + j, change).reshape(count, count)
    own = 1 / (math.sqrt(math.pi) * widths) - math.sqrt(2 / math.pi) / smearing
    mean = smearing**2 - widths[:, None] ** 2 - widths**2
    waves = wave_matrix(positions, cell, smearing, accuracy)
    matrix = waves + between + between.T + torch.diag(own) - 2 * math.pi * mean / torch.linalg.det(cell).abs()
    if not bool(pbc.all()):
        check_vacuum(positions, cell, pbc, reach)
        heights = positions @ slab_normal(cell, pbc)[0]
        matrix = matrix + slab_dipole_factor(cell) * heights[:, None] * heights
    return matrix


def _find_pairs(positions: Tensor, cell: Tensor, pbc: Tensor, reach: float) -> tuple[Tensor, Tensor, Tensor]:
    """Find the pairs within the reach, each once, and measure their distances [Angstrom]."""
    i, j, shifts = _find_neighbors(reach, positions.detach(), cell.detach(), pbc)
    return i, j, vector_lengths(positions[j] - positions[i] + shifts @ cell)


def _find_neighbors(reach: float, positions: Tensor, cell: Tensor, pbc: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    numbers = torch.zeros(len(positions), dtype=torch.int64, device=positions.device)
    pairs = neighbor_pairs(Structures(positions, numbers, cell[None], pbc[None], numbers), reach)
    assert pairs.reverse is not None
    once = torch.arange(len(pairs.i), device=positions.device) < pairs.reverse
    return pairs.i[once], pairs.j[once], pairs.shifts[once]


def _joint_width(first: Tensor, second: Tensor) -> Tensor:
    return torch.sqrt(first * first + second * second)


def _minimise_energy(matrix: Tensor, electronegativity: Tensor, charge: Tensor) -> Tensor:
    """Minimise ``chi q + q A q / 2`` over charges q of the given sum; the Lagrange multiplier is the last unknown."""
    ones = torch.ones_like(electronegativity)[:, :, None]
    corner = torch.zeros_like(ones[:, :1])
    bordered = torch.cat([torch.cat([matrix, ones], 2), torch.cat([ones.mT, corner], 2)], 1)
    return torch.linalg.solve(bordered, torch.cat([-electronegativity, charge[:, None]], 1))[:, :-1]


FUNCTIONS["equilibration"] = equilibrium_charges
