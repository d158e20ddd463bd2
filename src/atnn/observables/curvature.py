"""What vibrations are made of: second derivatives of the energy, first ones of the dipole and the polarizability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from atnn.errors import DataError
from atnn.model import Potential
from atnn.structures import Structures

# Output of a potential -> the quantity whose differences replace it where the potential does not give it.
REPLACED = {"hessian": "forces", "born_charges": "dipole", "polarizability_gradients": "polarizability"}


@dataclass(frozen=True)
class Curvature:
    """Derivatives by the coordinates of the free atoms of one structure. They do not depend on masses.

    Attributes:
        structures: The structure at whose positions they were taken.
        energy: Energy there [eV].
        forces: Forces there [eV/Angstrom].
        hessian: Second derivatives of the energy, symmetric [eV/Angstrom^2].
        dipole: First derivatives of the dipole [e], or None where the potential gives none.
        polarizability: First derivatives of the polarizability [e^2*Angstrom/eV], or None.
    """

    structures: Structures
    energy: float
    forces: Float[np.ndarray, "atoms 3"]
    hessian: Float[np.ndarray, "coordinates coordinates"]
    dipole: Float[np.ndarray, "coordinates 3"] | None
    polarizability: Float[np.ndarray, "coordinates 3 3"] | None

    @property
    def free(self) -> Bool[np.ndarray, " atoms"]:
        """Which atoms vibrate."""
        return ~self.structures.fixed_atoms.cpu().numpy()


def curvature(
    potential: Potential, structures: Structures, *, displacement: float = 0.005, atoms_at_once: int = 5000
) -> Curvature:
    """Second derivatives of the energy of one structure, and first derivatives of its dipole and polarizability.

    Where the potential gives ``hessian``, ``born_charges`` or ``polarizability_gradients``, these are taken. The others
    are central differences of ``forces``, ``dipole`` and ``polarizability``, where the potential gives those. All
    displaced geometries go through the potential in one batch.

    Args:
        potential: Gives ``energy`` and ``forces``.
        structures: One structure, in double precision where the potential uses it.
        displacement: Displacement of each coordinate to both sides [Angstrom].
        atoms_at_once: Largest number of atoms in one call of the potential.

    Raises:
        DataError: Not exactly one structure, or all of its atoms are fixed.
    """
    check_single(structures, "harmonic")
    fixed = structures.fixed_atoms.cpu().numpy()
    if fixed.all():
        raise DataError("all atoms are fixed", where="harmonic", remedy="free those that shall vibrate")
    coordinates = np.flatnonzero(np.repeat(~fixed, 3))
    given = [name for name in REPLACED if name in potential.outputs]
    differed = [by for name, by in REPLACED.items() if name not in given and by in potential.outputs]
    here = {k: v.detach().cpu().double() for k, v in potential(structures, ("energy", "forces", *given)).items()}
    slopes = _differences(potential, structures, tuple(differed), displacement, atoms_at_once, coordinates)
    hessian = -slopes["forces"][:, coordinates] if "forces" in slopes else _square(here["hessian"], coordinates)
    if "born_charges" in here:
        slopes["dipole"] = _rows(here["born_charges"])[coordinates]
    if "polarizability_gradients" in here:
        slopes["polarizability"] = _rows(here["polarizability_gradients"])[coordinates]
    return Curvature(
        structures=structures,
        energy=float(here["energy"]),
        forces=here["forces"].numpy(),
        hessian=0.5 * (hessian + hessian.T),
        dipole=slopes.get("dipole"),
        polarizability=slopes.get("polarizability"),
    )


def hessian(
    potential: Potential, structures: Structures, *, displacement: float = 0.005, atoms_at_once: int = 5000
) -> Float[np.ndarray, "coordinates coordinates"]:
    """Second derivatives of the energy of one structure [eV/Angstrom^2], from central differences of the forces.

    Args:
        potential: Gives ``forces``.
        structures: One structure, in double precision where the potential uses it.
        displacement: Displacement of each coordinate to both sides [Angstrom].
        atoms_at_once: Largest number of atoms in one call of the potential.

    Raises:
        DataError: Not exactly one structure.
    """
    check_single(structures, "hessian")
    every = np.arange(3 * len(structures.numbers))
    slopes = -_differences(potential, structures, ("forces",), displacement, atoms_at_once, every)["forces"]
    return 0.5 * (slopes + slopes.T)


def check_single(structures: Structures, where: str) -> None:
    """Check that there is one structure.

    Raises:
        DataError: There are none, or several.
    """
    if len(structures) != 1:
        raise DataError(
            f"normal modes are of one structure, not of {len(structures)}",
            where=where,
            remedy=f"call {where}(potential, structures.select([index])) for each",
        )


def _differences(
    potential: Potential,
    structures: Structures,
    names: tuple[str, ...],
    displacement: float,
    atoms_at_once: int,
    coordinates: np.ndarray,
) -> dict[str, np.ndarray]:
    """Central differences of quantities by chosen coordinates, [chosen, ...]; forces are [chosen, 3 N]."""
    if not names:
        return {}
    count = len(structures.numbers)
    per_call = max(1, atoms_at_once // (2 * count))
    parts: dict[str, list[Tensor]] = {name: [] for name in names}
    for first in range(0, len(coordinates), per_call):
        chosen = coordinates[first : first + per_call].tolist()
        batch = structures.select([0] * (2 * len(chosen)))
        positions = batch.positions.clone().reshape(len(chosen), 2, 3 * count)
        for row, coordinate in enumerate(chosen):
            positions[row, 0, coordinate] += displacement
            positions[row, 1, coordinate] -= displacement
        results = potential(batch.replace(positions=positions.reshape(-1, 3)), names)
        # The distance that the positions hold: in single precision it is not the one asked for.
        width = torch.stack([positions[r, 0, c] - positions[r, 1, c] for r, c in enumerate(chosen)]).double().cpu()
        for name in names:
            shape = (3 * count,) if name == "forces" else results[name].shape[1:]
            values = results[name].detach().cpu().double().reshape(len(chosen), 2, *shape)
            parts[name].append((values[:, 0] - values[:, 1]) / width.reshape(-1, *[1] * len(shape)))
    return {name: torch.cat(part).numpy() for name, part in parts.items()}


def _square(blocks: Tensor, coordinates: np.ndarray) -> np.ndarray:
    """Chosen rows and columns of a Hessian given as a block [3, 3] for each ordered pair of atoms."""
    count = round((blocks.numel() // 9) ** 0.5)
    matrix = blocks.reshape(count, count, 3, 3).permute(0, 2, 1, 3).reshape(3 * count, 3 * count)
    return matrix.numpy()[np.ix_(coordinates, coordinates)]


def _rows(gradients: Tensor) -> np.ndarray:
    """Derivatives [atoms, ..., 3] by the last axis, with a row for each coordinate [3 N, ...]."""
    return gradients.movedim(-1, 1).flatten(0, 1).numpy()
