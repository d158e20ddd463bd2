"""Electrostatic energy of atomic charges and dipoles in molecules, crystals and slabs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor

from atnn import units
from atnn.kernels import gather_neighbors, sum_centers
from atnn.parts import Design, Part, Scene, Values
from atnn.physics.boundaries import Background, check_boundaries, check_vacuum, slab_dipole_factor, slab_normal
from atnn.physics.coulomb import damped_coulomb, damped_coulomb_derivatives, molecular_energies
from atnn.physics.dipoles import join_moments, neighbor_potentials
from atnn.physics.ewald import (
    gaussian_reach,
    point_corrections,
    screened_coulomb,
    screened_coulomb_derivatives,
    wave_energy,
)
from atnn.physics.mesh import mesh_energy
from atnn.physics.opaque import FUNCTIONS, call_opaque
from atnn.specification import Specification
from atnn.structures import Edges, Structures

LARGEST_EWALD = 100  # atoms; up to this size plain sums over waves are faster than a mesh


class ElectrostaticsSpecification(Specification):
    """Coulomb's law between atomic charges and, if specified, dipoles, damped where atoms overlap."""

    name: Literal["electrostatics"] = "electrostatics"
    cutoff: float = Field(
        6.0, gt=0, le=100, description="distance up to which periodic structures are summed pair by pair [Angstrom]"
    )
    damping: float = Field(
        5.0, ge=0, description="1/r is damped below 3/4 of this length, fully below 1/4 [Angstrom]; 0: no damping"
    )
    accuracy: float = Field(1e-6, ge=1e-12, le=1e-2, description="relative error of sums over periodic images")
    method: Literal["auto", "ewald", "mesh"] = Field(
        "auto", description="sum over waves, mesh, or the one that is faster for the number of atoms"
    )
    background: Background = Field("none", description="what neutralises charged cells; none: they are an error")
    dipoles: bool = Field(False, description="whether atomic dipoles interact, too; the output `dipole` provides them")

    def parts(self, design: Design) -> dict[str, Part]:
        """Build the term."""
        return {self.name: Electrostatics(self)}

    @model_validator(mode="after")
    def _damping_within_cutoff(self) -> ElectrostaticsSpecification:
        if 0.75 * self.damping > self.cutoff:
            raise ValueError("damping reaches up to 3/4 of its length, which must lie within the cutoff")
        return self


class Electrostatics(Part):
    """``E = k_e / 2 sum_ij q_i q_j v(r_ij)`` over all pairs and periodic images, v = :func:`damped_coulomb`.

    In molecules the sum runs over all pairs, without a cutoff. In periodic structures v is 1/r beyond the cutoff, so

        E = k_e / 2 sum_{r_ij < r_c} q_i q_j (v(r) - erf(r / (sqrt(2) sigma)) / r) + E_waves

    where E_waves is the energy of Gaussian charges of width sigma, summed over waves, without their self-energy. The
    width follows from cutoff and accuracy. A conductor surrounds the crystal. Slabs (periodic in two directions) get
    the correction of Yeh and Berkowitz.

    With atomic dipoles mu_i, ``q_i + mu_i . grad_i`` replaces q_i everywhere, so that dipoles interact with charges and
    with each other through derivatives of the same damped v. The network learns the energy of inducing them.

    Args:
        specification: Cutoff, damping and accuracy, and whether there are dipoles.
    """

    gives = frozenset({"energy"})
    molecular = True

    def __init__(self, specification: ElectrostaticsSpecification):
        super().__init__()
        self.specification = specification
        self.sources = ("charges", "atomic_dipoles") if specification.dipoles else ("charges",)
        self.needs = frozenset(self.sources)
        self.cutoff = specification.cutoff
        self.width = specification.cutoff / gaussian_reach(specification.accuracy)
        largest = {"auto": float(LARGEST_EWALD), "ewald": math.inf, "mesh": 0.0}[specification.method]
        background = float(specification.background == "uniform")
        self.settings = WaveSettings(self.cutoff, self.width, specification.accuracy, largest, background)

    def forward(self, scene: Scene, values: Values) -> dict[str, Tensor]:
        """``energy`` [structures] in eV, float64.

        Args:
            scene: Pairs within the cutoff, used for periodic structures, and all pairs within each molecule.
            values: ``charges`` of the atoms [e] and, where specified, ``atomic_dipoles`` [e Angstrom].

        Raises:
            DataError: The energy is not defined for the charges and boundary conditions, see :func:`check_boundaries`.
        """
        structures, edges = scene.structures, scene.edges
        assert scene.molecular is not None
        sources = [values[name].to(structures.positions.dtype) for name in self.sources]
        molecules = molecular_energies(scene.molecular, structures, self.specification.damping, *sources)
        variables = (structures.positions, structures.cell, *sources)
        waves = call_opaque("electrostatics", variables, (structures.batch, structures.pbc), self.settings)
        near = self._sum_near_dipoles if self.specification.dipoles else self._sum_near_charges
        return {"energy": units.coulomb * (molecules + near(structures, edges, *sources) + waves)}

    def _sum_near_charges(self, structures: Structures, edges: Edges, charges: Tensor) -> Tensor:
        """Sum pairs of periodic structures within the cutoff, less their share in the waves [e^2/Angstrom]."""
        pair = damped_coulomb(edges.lengths, self.specification.damping) - screened_coulomb(edges.lengths, self.width)
        neighbors = gather_neighbors(charges[:, None], edges.j, edges.reverse, edges.offsets)
        pairs = neighbors * torch.where(self._select_periodic(structures, edges), pair, 0.0)[:, None]
        potential = sum_centers(pairs, edges.i, edges.offsets)[:, 0]
        total = potential.new_zeros(structures.cell.shape[0], dtype=torch.float64)
        return total.index_add(0, structures.batch, 0.5 * (charges * potential).double())

    def _sum_near_dipoles(self, structures: Structures, edges: Edges, charges: Tensor, dipoles: Tensor) -> Tensor:
        """Sum the same pairs with charges and dipoles [e^2/Angstrom]."""
        exact = damped_coulomb_derivatives(edges.lengths, self.specification.damping)
        waves = screened_coulomb_derivatives(edges.lengths, self.width)
        value, first, second = (whole - smooth for whole, smooth in zip(exact, waves, strict=True))
        moments = join_moments(charges, dipoles)
        neighbors = gather_neighbors(moments, edges.j, edges.reverse, edges.offsets)
        pairs = neighbor_potentials(edges.vectors, (value, first, second), neighbors)
        pairs = torch.where(self._select_periodic(structures, edges)[:, None], pairs, 0.0)
        products = (moments * sum_centers(pairs, edges.i, edges.offsets)).sum(1)
        total = products.new_zeros(structures.cell.shape[0], dtype=torch.float64)
        return total.index_add(0, structures.batch, 0.5 * products.double())

    def _select_periodic(self, structures: Structures, edges: Edges) -> Tensor:
        return structures.pbc.any(1)[structures.batch[edges.i]] & (edges.lengths < self.cutoff)


class WaveSettings(NamedTuple):
    """Settings of :func:`far_energies`, all numbers."""

    cutoff: float
    width: float
    accuracy: float
    largest_ewald: float
    background: float


def far_energies(
    variables: Sequence[Tensor], constants: Sequence[Tensor], settings: Sequence[float]
) -> Float[Tensor, " structures"]:
    """Energies of periodic structures from sums over waves [e^2/Angstrom], float64; zero for molecules.

    Args:
        variables: Positions [atoms, 3], cells [structures, 3, 3], charges [atoms]; dipoles [atoms, 3], if any.
        constants: Structure of each atom, and periodicity [structures, 3].
        settings: :class:`WaveSettings`.

    Raises:
        DataError: The energy is not defined for the charges and boundary conditions, see :func:`check_boundaries`.
    """
    (positions, cell, charges, *dipoles), (batch, pbc), chosen = variables, constants, WaveSettings(*settings)
    if not bool(pbc.any()):
        return cell.new_zeros(len(pbc), dtype=torch.float64)
    total = charges.new_zeros(len(pbc), dtype=torch.float64).index_add(0, batch, charges.double())
    check_boundaries(cell, pbc, total, "uniform" if chosen.background else "none")
    counts = torch.bincount(batch, minlength=len(pbc)).tolist()
    atoms = zip(*(part.split(counts) for part in (positions, charges, *dipoles)), strict=True)
    none = cell.new_zeros((), dtype=torch.float64)
    energies = [
        _compute_waves(box, axes, chosen, *own) if bool(axes.any()) else none
        for own, box, axes in zip(atoms, cell, pbc, strict=True)
    ]
    return torch.stack(energies)


def _compute_waves(
    cell: Tensor, pbc: Tensor, settings: WaveSettings, positions: Tensor, charges: Tensor, dipoles: Tensor | None = None
) -> Tensor:
    waves = wave_energy if len(positions) <= settings.largest_ewald else mesh_energy
    energy = waves(positions, charges, cell, settings.width, settings.accuracy, dipoles)
    energy = energy + point_corrections(charges, cell, settings.width, dipoles)
    if not bool(pbc.all()):
        check_vacuum(positions, cell, pbc, settings.cutoff)
        moments = charges[:, None] * positions
        moments = moments if dipoles is None else moments + dipoles
        dipole = (moments @ slab_normal(cell, pbc)[0]).sum(dtype=torch.float64)
        energy = energy + 0.5 * slab_dipole_factor(cell).double() * dipole * dipole
    return energy


FUNCTIONS["electrostatics"] = far_energies
