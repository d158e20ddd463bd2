"""Normal modes: harmonic frequencies and infrared intensities from forces and dipoles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from ase.data import atomic_masses
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from atnn.errors import DataError
from atnn.model import Potential
from atnn.observables.infrared import KM_PER_MOL
from atnn.structures import Structures
from atnn.units import acceleration, light_speed_cm_per_fs

# A rigid motion counts if its singular value is at least this fraction of the largest: a molecule bent by less than
# 1e-2 Angstrom is linear.
RIGID = 3e-3


@dataclass(frozen=True)
class NormalModes:
    """Vibrations of one structure, rigid motions removed.

    Attributes:
        frequencies: Wavenumbers, ascending; imaginary ones negative [cm^-1].
        intensities: Infrared intensities [km/mol], or None where the potential gives no dipole.
        modes: Mass-weighted displacements, orthonormal rows.
        positions: Positions at which the Hessian was taken [Angstrom].
        numbers: Atomic numbers.
        masses: Masses [amu].
        rigid: Number of translations and rotations removed.
        largest_force: Largest force at these positions [eV/Angstrom]; frequencies mean little unless small.
    """

    frequencies: Float[np.ndarray, " modes"]
    intensities: Float[np.ndarray, " modes"] | None
    modes: Float[np.ndarray, "modes atoms 3"]
    positions: Float[np.ndarray, "atoms 3"]
    numbers: Int[np.ndarray, " atoms"]
    masses: Float[np.ndarray, " atoms"]
    rigid: int
    largest_force: float

    @property
    def displacements(self) -> Float[np.ndarray, "modes atoms 3"]:
        """Cartesian displacements of the modes for a mass-weighted amplitude of one [amu^-1/2]."""
        return self.modes / np.sqrt(self.masses)[:, None]


def harmonic(
    potential: Potential,
    structures: Structures,
    *,
    displacement: float = 0.005,
    masses: Float[np.ndarray, " atoms"] | None = None,
    atoms_at_once: int = 5000,
) -> NormalModes:
    """Normal modes of one structure, with central differences of forces and dipoles.

    All displaced geometries go through the potential in one batch. Translations and rotations are projected out, so
    that 3 N - 6 modes remain, or 3 N - 5 of a linear molecule. Periodic structures lose translations only. Where atoms
    are fixed, the others vibrate against them: three modes for each, and nothing is projected out.

    Args:
        potential: Gives ``forces``, and ``dipole`` where intensities are wanted.
        structures: One relaxed structure, in double precision where the potential uses it.
        displacement: Displacement of each coordinate to both sides [Angstrom].
        masses: Masses [amu]; the standard atomic weights when not given.
        atoms_at_once: Largest number of atoms in one call of the potential.

    Raises:
        DataError: Not exactly one structure, or all of its atoms are fixed.
    """
    _check_single(structures, "harmonic")
    if bool(structures.fixed_atoms.all()):
        raise DataError("all atoms are fixed", where="harmonic", remedy="free those that shall vibrate")
    numbers = structures.numbers.cpu().numpy()
    masses = atomic_masses[numbers] if masses is None else np.asarray(masses, dtype=float)
    positions = structures.positions.detach().cpu().double().numpy()
    names = ("energy", "forces", *({"dipole"} & set(potential.outputs)))
    here = potential(structures, names)
    free = np.flatnonzero(np.repeat(~structures.fixed_atoms.cpu().numpy(), 3))
    hessian, slopes = _differences(potential, structures, names, displacement, atoms_at_once, free)
    weights = np.repeat(np.sqrt(masses), 3)
    if len(free) < len(weights):
        internal = np.eye(len(weights))[:, free]
    else:
        internal = _internal_space(positions, masses, periodic=bool(structures.pbc.any()))
    inner = internal[free]
    matrix = inner.T @ (hessian / np.outer(weights[free], weights[free])) @ inner
    eigenvalues, vectors = np.linalg.eigh(matrix)
    modes = (internal @ vectors).T
    angular = np.sign(eigenvalues) * np.sqrt(np.abs(eigenvalues) * acceleration)
    return NormalModes(
        frequencies=angular / (2 * np.pi * light_speed_cm_per_fs),
        intensities=None
        if slopes is None
        else KM_PER_MOL * ((modes[:, free] / weights[free] @ slopes) ** 2).sum(axis=1),
        modes=modes.reshape(len(modes), len(numbers), 3),
        positions=positions,
        numbers=numbers,
        masses=masses,
        rigid=len(free) - len(modes),
        largest_force=float(here["forces"][~structures.fixed_atoms].norm(dim=1).max()),
    )


class ModeMatch(NamedTuple):
    """Which mode of ``b`` belongs to each mode of ``a``.

    Attributes:
        order: Index into the modes of ``b`` for each mode of ``a``.
        overlaps: Squared overlap of each pair, from zero to one.
    """

    order: Int[np.ndarray, " modes"]
    overlaps: Float[np.ndarray, " modes"]


def match_modes(a: NormalModes, b: NormalModes) -> ModeMatch:
    """Pair the modes of two calculations of one molecule by the overlap of their displacements.

    The second is first turned onto the first, because relaxed geometries may be rotated against each other.

    Raises:
        DataError: The two do not have the same atoms in the same order.
    """
    if not np.array_equal(a.numbers, b.numbers) or len(a.modes) != len(b.modes):
        raise DataError(
            "the normal modes are of different structures",
            where="match_modes",
            remedy="give two calculations of the same atoms in the same order",
        )
    rotation = _rotation(a.positions, b.positions, a.masses)
    turned = (b.modes @ rotation.T).reshape(len(b.modes), -1)
    overlaps = (a.modes.reshape(len(a.modes), -1) @ turned.T) ** 2
    rows, order = linear_sum_assignment(overlaps, maximize=True)
    return ModeMatch(order, overlaps[rows, order])


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
    _check_single(structures, "hessian")
    every = np.arange(3 * len(structures.numbers))
    return _differences(potential, structures, ("forces",), displacement, atoms_at_once, every)[0]


def _check_single(structures: Structures, where: str) -> None:
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
) -> tuple[np.ndarray, np.ndarray | None]:
    """Symmetric Hessian [chosen, chosen] and dipole derivatives [chosen, 3] of chosen coordinates, from both sides."""
    count = len(structures.numbers)
    per_call = max(1, atoms_at_once // (2 * count))
    rows, slopes = [], []
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
        forces = results["forces"].detach().cpu().double().reshape(len(chosen), 2, -1)
        rows.append(-(forces[:, 0] - forces[:, 1]) / width[:, None])
        if "dipole" in names:
            dipoles = results["dipole"].detach().cpu().double().reshape(len(chosen), 2, 3)
            slopes.append((dipoles[:, 0] - dipoles[:, 1]) / width[:, None])
    hessian = torch.cat(rows).numpy()[:, coordinates]
    return 0.5 * (hessian + hessian.T), torch.cat(slopes).numpy() if slopes else None


def _internal_space(positions: np.ndarray, masses: np.ndarray, periodic: bool) -> np.ndarray:
    """Orthonormal basis [3 N, 3 N - rigid] of mass-weighted displacements without rigid motion."""
    roots = np.sqrt(masses)
    rigid = [np.outer(roots, axis).ravel() / np.sqrt(masses.sum()) for axis in np.eye(3)]
    if not periodic:
        arms = positions - masses @ positions / masses.sum()
        turns = np.array([(roots[:, None] * np.cross(axis, arms)).ravel() for axis in np.eye(3)])
        _, sizes, axes = np.linalg.svd(turns, full_matrices=False)
        if sizes[0] > RIGID:
            rigid.extend(axes[sizes > RIGID * sizes[0]])
    _, _, basis = np.linalg.svd(np.array(rigid), full_matrices=True)
    return basis[len(rigid) :].T


def _rotation(target: np.ndarray, source: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """Proper rotation that turns ``source`` onto ``target`` about the centers of mass (Kabsch)."""
    weights = masses / masses.sum()
    covariance = ((target - weights @ target) * weights[:, None]).T @ (source - weights @ source)
    u, _, v = np.linalg.svd(covariance)
    return u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ v))]) @ v
