"""Long-range energy of latent charges, which are learned from energies and forces alone.

B. Cheng, Latent Ewald summation, npj Comput. Mater. 2025, 11, 80, doi:10.1038/s41524-025-01577-7.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from atnn import units
from atnn.neighbors import molecular_pairs
from atnn.neighbors.pairs import vector_lengths
from atnn.parts import Design, Part, Scene, Values
from atnn.physics.boundaries import check_boundaries, check_vacuum, slab_dipole_factor, slab_normal
from atnn.physics.electrostatics import LARGEST_EWALD
from atnn.physics.ewald import gaussian_reach, screened_coulomb, wave_energy
from atnn.physics.latent_charges import LatentCharges
from atnn.physics.mesh import mesh_energy
from atnn.physics.opaque import FUNCTIONS, call_opaque
from atnn.specification import Specification

ACCURACY = 1e-6  # relative error of sums over waves


class LatentElectrostaticsSpecification(Specification):
    """Coulomb's law between Gaussian charges that are learned without labels."""

    name: Literal["latent_electrostatics"] = "latent_electrostatics"
    channels: int = Field(
        1, ge=1, le=16, description="number of charges of each atom; each interacts only with its own kind"
    )
    width: float = Field(1.0, ge=0.2, le=4, description="width of the Gaussian charges [Angstrom]")

    def parts(self, design: Design) -> dict[str, Part]:
        """Build the readout of the charges and the term of their energy."""
        return {"latent_charges": LatentCharges(design, self.channels), self.name: LatentElectrostatics(self)}


class LatentElectrostatics(Part):
    """``E = k_e / 2 sum_c sum_{i != j} q_ic q_jc erf(r_ij / (sqrt(2) sigma)) / r_ij`` over all pairs and images.

    In periodic structures this is a sum over waves, without the self-energies of the Gaussians:

        E = sum_c [2 pi k_e / V sum_{k != 0} exp(-sigma^2 k^2 / 2) / k^2 |sum_i q_ic exp(i k r_i)|^2
                   - k_e / (sqrt(2 pi) sigma) sum_i q_ic^2]

    The total charge is not constrained. The wave k = 0 is left out, as if a uniform background neutralised the cell.
    Slabs (periodic in two directions) have no background: their energy is that of a single slab, whose net charge has
    the field of a charged plate (V. Ballenegger, A. Arnold, J. J. Cerda, J. Chem. Phys. 2009, 131, 094107,
    doi:10.1063/1.3216473).

    Args:
        specification: Number and width of the charges.
    """

    needs = frozenset({"latent_charges"})
    gives = frozenset({"energy"})

    def __init__(self, specification: LatentElectrostaticsSpecification):
        super().__init__()
        self.settings = LatentSettings(specification.width, ACCURACY)

    def forward(self, scene: Scene, values: Values) -> dict[str, Tensor]:
        """``energy`` [structures] in eV, float64.

        Args:
            scene: Positions and cells, both strained if a stress is computed. Its pairs are not used.
            values: ``latent_charges`` of the atoms [atoms, channels] in e.

        Raises:
            DataError: A structure is periodic along one direction, or a slab has too little vacuum or no third vector.
        """
        structures = scene.structures
        variables = (structures.positions, structures.cell, values["latent_charges"])
        constants = (structures.batch, structures.pbc)
        return {"energy": units.coulomb * call_opaque("latent_electrostatics", variables, constants, self.settings)}


class LatentSettings(NamedTuple):
    """Settings of :func:`latent_energies`, all numbers."""

    width: float
    accuracy: float


def latent_energies(
    variables: Sequence[Tensor], constants: Sequence[Tensor], settings: Sequence[float]
) -> Float[Tensor, " structures"]:
    """Energies of Gaussian charges [e^2/Angstrom], float64.

    Args:
        variables: Positions [atoms, 3], cells [structures, 3, 3] and charges [atoms, channels].
        constants: Structure of each atom, and periodicity [structures, 3].
        settings: :class:`LatentSettings`.

    Raises:
        DataError: A structure is periodic along one direction, or a slab has too little vacuum or no third vector.
    """
    (positions, cell, charges), (batch, pbc), chosen = variables, constants, LatentSettings(*settings)
    none = cell.new_zeros(len(pbc), dtype=torch.float64)
    check_boundaries(cell, pbc, none, "uniform")
    first, second = molecular_pairs(batch, ~pbc.any(1))
    distances = vector_lengths(positions.index_select(0, second) - positions.index_select(0, first))
    products = (charges.index_select(0, first) * charges.index_select(0, second)).sum(1)
    energies = none.index_add(0, batch[first], (products * screened_coulomb(distances, chosen.width)).double())
    counts = torch.bincount(batch, minlength=len(pbc)).tolist()
    structures = zip(positions.split(counts), charges.split(counts), cell, pbc, strict=True)
    periodic = [_compute_waves(*own, chosen) if bool(own[-1].any()) else none.new_zeros(()) for own in structures]
    return energies + torch.stack(periodic) if periodic else energies


def _compute_waves(positions: Tensor, charges: Tensor, cell: Tensor, pbc: Tensor, settings: LatentSettings) -> Tensor:
    """Energy of one periodic structure [e^2/Angstrom]."""
    width, accuracy = settings
    waves = wave_energy if len(positions) <= LARGEST_EWALD else mesh_energy
    kinds = [waves(positions, kind, cell, width, accuracy) for kind in charges.unbind(1)]
    energy = torch.stack(kinds).sum() - charges.double().square().sum() / (math.sqrt(2 * math.pi) * width)
    if bool(pbc.all()):
        return energy
    check_vacuum(positions, cell, pbc, width * gaussian_reach(accuracy))
    normal, area = slab_normal(cell, pbc)
    heights, charges = (positions @ normal).double()[:, None], charges.double()
    total, dipole, second = ((charges * heights**power).sum(0) for power in (0, 1, 2))
    height = (torch.linalg.det(cell).abs() / area).double()
    # In-plane wave k = 0: replace the stack of slabs in a background, which the sum contains, by a single slab.
    plane = dipole**2 - total * second - total**2 * (width**2 / 2 + height**2 / 12)
    return energy + 0.5 * slab_dipole_factor(cell).double() * plane.sum()


FUNCTIONS["latent_electrostatics"] = latent_energies
