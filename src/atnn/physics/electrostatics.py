"""Electrostatic energy of atomic charges and dipoles, in molecules and crystals alike."""

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

LARGEST_EWALD = 100  # atoms up to which plain sums over waves are the faster ones


class ElectrostaticsSpecification(Specification):
    """Coulomb's law between atomic charges, and dipoles where asked for, damped where atoms overlap."""

    name: Literal["electrostatics"] = "electrostatics"
    cutoff: float = Field(
        6.0, gt=0, description="pairs of periodic structures up to here are summed one by one [Angstrom]"
    )
    damping: float = Field(
        5.0, ge=0, description="1/r is softened from 3/4 of this length on, wholly below 1/4; 0: bare"
    )
    accuracy: float = Field(1e-6, ge=1e-12, le=1e-2, description="relative error of sums over periodic images")
    method: Literal["auto", "ewald", "mesh"] = Field(
        "auto", description="waves one by one, through a mesh, or whichever is faster for the number of atoms"
    )
    background: Background = Field("none", description="what neutralises charged cells; none: they are refused")
    dipoles: bool = Field(False, description="atomic dipoles interact, too; they come with the output `dipole`")

    def parts(self, design: Design) -> dict[str, Part]:
        """The term."""
        return {self.name: Electrostatics(self)}

    @model_validator(mode="after")
    def _damping_within_cutoff(self) -> ElectrostaticsSpecification:
        if 0.75 * self.damping > self.cutoff:
            raise ValueError("damping reaches to 3/4 of its length, which must lie within the cutoff")
        return self


class Electrostatics(Part):
    """``E = k_e / 2 sum_ij q_i q_j v(r_ij)`` over all pairs and periodic images, v = :func:`damped_coulomb`.

    Molecules: all pairs, without a cutoff. Periodic structures: v is 1/r beyond the cutoff, so

        E = k_e / 2 sum_{r_ij < r_c} q_i q_j (v(r) - erf(r / (sqrt(2) sigma)) / r) + E_waves

    with the energy of Gaussian charges of width sigma as a sum over waves, without the Gaussians' energy with
    themselves; sigma follows from cutoff and accuracy. A conductor surrounds the crystal. Slabs (periodic in two
    directions) get the correction of Yeh and Berkowitz.

    With atomic dipoles mu_i, ``q_i + mu_i . grad_i`` stands for q_i everywhere: charges and dipoles, and dipoles among
    themselves, interact by derivatives of the same damped v. What making a dipole costs is left to the network.

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
            scene: Pairs within the cutoff, of which those of periodic structures are used, and all of molecules.
            values: ``charges`` of the atoms [e] and, where specified, ``atomic_dipoles`` [e Angstrom].

        Raises:
            DataError: Charges and boundary conditions without a defined energy, see :func:`check_boundaries`.
        """
        structures, edges = scene.structures, scene.edges
        assert scene.molecular is not None
        sources = [values[name].to(structures.positions.dtype) for name in self.sources]
        molecules = molecular_energies(scene.molecular, structures, self.specification.damping, *sources)
        variables = (structures.positions, structures.cell, *sources)
        waves = call_opaque("electrostatics", variables, (structures.batch, structures.pbc), self.settings)
        near = self._near_dipoles if self.specification.dipoles else self._near_charges
        return {"energy": units.coulomb * (molecules + near(structures, edges, *sources) + waves)}

    def _near_charges(self, structures: Structures, edges: Edges, charges: Tensor) -> Tensor:
        """Pairs within the cutoff of periodic structures, less what the waves say about them [e^2/Angstrom]."""
        pair = damped_coulomb(edges.lengths, self.specification.damping) - screened_coulomb(edges.lengths, self.width)
        neighbors = gather_neighbors(charges[:, None], edges.j, edges.reverse, edges.offsets)
        pairs = neighbors * torch.where(self._select_periodic(structures, edges), pair, 0.0)[:, None]
        potential = sum_centers(pairs, edges.i, edges.offsets)[:, 0]
        total = potential.new_zeros(structures.cell.shape[0], dtype=torch.float64)
        return total.index_add(0, structures.batch, 0.5 * (charges * potential).double())

    def _near_dipoles(self, structures: Structures, edges: Edges, charges: Tensor, dipoles: Tensor) -> Tensor:
        """The same of charges and dipoles."""
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
    """The numbers that :func:`far_energies` takes."""

    cutoff: float
    width: float
    accuracy: float
    largest_ewald: float
    background: float


def far_energies(
    variables: Sequence[Tensor], constants: Sequence[Tensor], settings: Sequence[float]
) -> Float[Tensor, " structures"]:
    """The waves of periodic structures and what belongs to them [e^2/Angstrom], float64; zero for molecules.

    Args:
        variables: Positions [atoms, 3], cells [structures, 3, 3], charges [atoms]; dipoles [atoms, 3], if any.
        constants: Structure of each atom, and periodicity [structures, 3].
        settings: :class:`WaveSettings`.

    Raises:
        DataError: Charges and boundary conditions without a defined energy, see :func:`check_boundaries`.
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
