"""Friction from the electron density at an adsorbate atom: the local density friction approximation."""

from __future__ import annotations

import math

import numpy as np
import torch
from ase.data import chemical_symbols
from jaxtyping import Float
from scipy.interpolate import CubicSpline
from torch import Tensor
from torch.nn.functional import softplus

from atnn.errors import DataError, SpecificationError
from atnn.parts import Design, Part, Scene, Statistics, Values
from atnn.readouts.friction import REACH, find_contact
from atnn.structures import Structures
from atnn.units import atomic_time, bohr, hartree

# Friction coefficient [atomic units] of an atom in a homogeneous electron gas of the Wigner-Seitz radius r_s [bohr],
# computed by N. Gerrits, J. I. Juaristi, J. Meyer, Phys. Rev. B 2020, 102, 155130, doi:10.1103/PhysRevB.102.155130;
# taken from the table of NQCD/FrictionProviders.jl (src/ldfa.txt at 69ca13e), which has no value of H at r_s = 2.
TABLE: dict[int, dict[float, float]] = {
    1: {1.5: 0.311, 2.5: 0.208, 3.5: 0.127, 5.0: 0.060},
    6: {1.5: 1.690, 2.0: 0.878, 2.5: 0.519, 3.5: 0.257, 5.0: 0.135},
    7: {1.5: 1.785, 2.0: 0.831, 2.5: 0.447, 3.5: 0.194, 5.0: 0.095},
    8: {1.5: 1.643, 2.0: 0.643, 2.5: 0.300, 3.5: 0.110, 5.0: 0.052},
}
_ATOMIC = hartree * atomic_time / bohr**2  # eV fs/Angstrom^2 of one atomic unit of friction
_GRID = 64  # knots of the tabulated spline
_RANGE = (1.5, 5.0)  # bohr
_VACUUM = 1e-12  # 1/Angstrom^3, added so that an empty place has a finite radius


class EmbeddingDensity(Part):
    """Electron density [1/Angstrom^3] that the surface has at each atom of an adsorbate.

        n_a = s_a softplus(NN(invariants_a))

    The factor s of :func:`atnn.readouts.friction.find_contact` makes it zero in vacuum.

    Args:
        design: Elements and sizes.
    """

    gives = frozenset({"embedding_density"})
    degree = 0
    cutoff = REACH

    def __init__(self, design: Design):
        super().__init__()
        self.network = design.network(1)

    def start(self, statistics: Statistics, scene: Scene, values: Values) -> None:
        """Start from a density of 0.01 per Angstrom^3, which is one at an adsorbed atom."""
        self.network.start_from(torch.full((self.network.elements, 1), math.log(math.expm1(0.01))))

    def forward(self, scene: Scene, values: Values) -> dict[str, Tensor]:
        """``embedding_density`` [atoms of adsorbates] in 1/Angstrom^3."""
        assert scene.rows.adsorbates is not None
        density = softplus(self.network(scene.features.nodes[0].squeeze(1), scene.elements)[:, 0])
        return {"embedding_density": (density * find_contact(scene)).index_select(0, scene.rows.adsorbates)}


class LocalFriction(Part):
    """Isotropic friction of each atom of an adsorbate in the local density friction approximation.

        Lambda_ab = delta_ab eta_z(r_s) 1,    r_s = (3 / (4 pi n))^(1/3)

    eta is tabulated for H, C, N and O in a homogeneous electron gas of 1.5 < r_s < 5 bohr (:data:`TABLE`). Its
    logarithm is a cubic spline of r_s, and goes on as a straight line outside, so that the friction vanishes with the
    density.
    Source: J. I. Juaristi et al., Phys. Rev. Lett. 2008, 100, 116102, doi:10.1103/PhysRevLett.100.116102.

    Args:
        design: Elements and sizes.

    Raises:
        SpecificationError: None of the elements has a friction coefficient.
    """

    needs = frozenset({"embedding_density"})
    gives = frozenset({"friction"})
    coefficients: Tensor

    def __init__(self, design: Design):
        super().__init__()
        known = [z for z in design.species.numbers if z in TABLE]
        if not known:
            raise SpecificationError(
                "no element of the model has a tabulated friction coefficient (H, C, N and O have)",
                where="model.outputs",
                remedy="learn the output friction instead of embedding_density",
            )
        logarithms = [tabulate(TABLE[z]) if z in TABLE else np.full(_GRID, np.nan) for z in design.species.numbers]
        self.register_buffer("coefficients", torch.tensor(np.array(logarithms)), persistent=False)

    def check(self, structures: Structures) -> None:
        """Refuse adsorbates of elements that have no friction coefficient.

        Raises:
            DataError: There is one.
        """
        found = structures.numbers[structures.adsorbate_atoms.to(structures.numbers.device)].unique().tolist()
        if unknown := [chemical_symbols[z] for z in found if z not in TABLE]:
            raise DataError(
                f"adsorbates of {', '.join(unknown)}, of which no friction coefficient is tabulated",
                remedy="mark atoms of H, C, N and O only, or learn the output friction from friction tensors",
            )

    def forward(self, scene: Scene, values: Values) -> dict[str, Tensor]:
        """``friction`` [pairs of atoms of adsorbates, 3, 3] in eV fs/Angstrom^2."""
        rows, density = scene.rows, values["embedding_density"]
        assert rows.adsorbates is not None and rows.adsorbate_pairs is not None and rows.diagonal is not None
        radius = (3 / (4 * math.pi * (density + _VACUUM))) ** (1 / 3) / bohr
        step = (_RANGE[1] - _RANGE[0]) / (_GRID - 1)
        place = (radius - _RANGE[0]) / step
        knot = place.detach().floor().clamp(0, _GRID - 2).long()
        table = self.coefficients.to(density.dtype).index_select(0, scene.elements.row.index_select(0, rows.adsorbates))
        low, high = (table.gather(1, (knot + k)[:, None])[:, 0] for k in (0, 1))
        friction = torch.exp(low + (high - low) * (place - knot)) * _ATOMIC
        unit = torch.eye(3, dtype=density.dtype, device=density.device)
        blocks = density.new_zeros((rows.adsorbate_pairs.shape[1], 3, 3))
        return {"friction": blocks.index_add(0, rows.diagonal, friction[:, None, None] * unit)}


def tabulate(coefficients: dict[float, float]) -> Float[np.ndarray, " grid"]:
    """Logarithm of the friction coefficient at equal steps of r_s, from a spline through the given ones."""
    radii = np.array(sorted(coefficients))
    spline = CubicSpline(radii, np.log([coefficients[r] for r in radii]), bc_type="natural")
    return spline(np.linspace(*_RANGE, _GRID))


def make_embedding_density(design: Design) -> dict[str, Part]:
    """Build the parts of the output ``embedding_density``, which also gives the friction that follows from it."""
    return {"embedding_density": EmbeddingDensity(design), "local_friction": LocalFriction(design)}
