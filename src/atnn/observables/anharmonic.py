"""Vibrational levels without the harmonic approximation: grid solutions for two and three atoms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from ase.data import atomic_masses
from jaxtyping import Float
from scipy.linalg import eigh

from atnn.errors import DataError
from atnn.model import Potential
from atnn.observables.curvature import check_single
from atnn.observables.dvr import SHARE, contract, kinetic_constant, legendre_grid, sinc_grid, sinc_kinetic
from atnn.structures import Structures
from atnn.units import inverse_cm

SCAN = np.linspace(0.3, 3.0, 271)  # of a distance, in units of that at the minimum
HOLE = 0.01  # eV below the start that rounding and relaxation may leave

Energies = Callable[[np.ndarray], np.ndarray]  # of positions [geometries, atoms, 3], above the minimum [eV]


@dataclass(frozen=True)
class Levels:
    """Vibrational levels of a molecule that does not rotate (J = 0).

    Attributes:
        zero_point: The lowest level above the minimum of the energy [cm^-1].
        frequencies: The others above the lowest, ascending [cm^-1].
    """

    zero_point: float
    frequencies: Float[np.ndarray, " levels"]


def vibrational_levels(
    potential: Potential,
    structures: Structures,
    *,
    masses: Float[np.ndarray, " atoms"] | None = None,
    count: int = 10,
    ceiling: float = 4.0,
    points: tuple[int, int] = (11, 14),
    atoms_at_once: int = 5000,
) -> Levels:
    """Vibrational levels of a molecule of two or three atoms on the surface of a potential, solved on a grid.

    Two atoms: Colbert and Miller's grid of the distance. Three atoms: Radau coordinates of the two outer atoms, two
    distances and the angle between them, in which the kinetic energy for J = 0 is exact and has no cross terms
    (doi:10.1103/PhysRevLett.45.1157):

    T = p1^2 / (2 m1) + p2^2 / (2 m2) + (1 / (2 m1 R1^2) + 1 / (2 m2 R2^2)) L^2

    Each coordinate has a fine grid, which is contracted to a few points that are adapted to the potential along it.

    Args:
        potential: Gives ``energy``.
        structures: One molecule at a minimum, in double precision where the potential uses it.
        masses: Masses [amu]; the standard atomic weights when not given.
        count: Number of levels above the lowest.
        ceiling: The surface is asked up to about this energy above the minimum along each coordinate [eV]. Levels are
            right well below it; lower it where the potential is not known so high.
        points: Points of each distance and of the angle of a molecule of three atoms.
        atoms_at_once: Largest number of atoms in one call of the potential.

    Raises:
        DataError: Not one molecule of two or three free atoms without a field, or the surface falls below the start.
    """
    check_single(structures, "vibrational_levels")
    _check(structures)
    numbers = structures.numbers.cpu().numpy()
    masses = atomic_masses[numbers] if masses is None else np.asarray(masses, dtype=float)
    start = structures.positions.detach().cpu().double().numpy()
    energies = _surface(potential, structures, atoms_at_once)
    solve = _solve_two if len(numbers) == 2 else _solve_three
    found = solve(energies, start, masses, ceiling, points, count + 1) / inverse_cm
    return Levels(float(found[0]), found[1:] - found[0])


def _check(structures: Structures) -> None:
    fielded = structures.field is not None and bool(structures.field.any())
    bound = bool(structures.pbc.any()) or bool(structures.fixed_atoms.any()) or fielded
    if len(structures.numbers) not in (2, 3) or bound:
        raise DataError(
            "grid solutions are for free molecules of two or three atoms",
            where="vibrational_levels",
            remedy="take `vpt2` for larger molecules, and leave out cell, field and fixed atoms",
        )


def _surface(potential: Potential, structures: Structures, atoms_at_once: int) -> Energies:
    """Energies of many geometries above that of the start."""
    count = len(structures.numbers)
    per_call = max(1, atoms_at_once // count)
    zero = float(potential(structures, ("energy",))["energy"])

    def energies(positions: np.ndarray) -> np.ndarray:
        found = []
        for first in range(0, len(positions), per_call):
            part = structures.positions.new_tensor(positions[first : first + per_call])
            batch = structures.select([0] * len(part)).replace(positions=part.reshape(-1, 3))
            found.append(potential(batch, ("energy",))["energy"].detach().cpu().double())
        return torch.cat(found).numpy() - zero

    return energies


def _reach(values: np.ndarray, start: int, ceiling: float, name: str) -> slice:
    """The part of a curve around a point where it stays below the ceiling, with the first points above it.

    Raises:
        DataError: The curve falls below its start there.
    """
    low = high = start
    while low > 0 and values[low] < ceiling:
        low -= 1
    while high < len(values) - 1 and values[high] < ceiling:
        high += 1
    _check_hole(values[low : high + 1], name)
    return slice(low, high + 1)


def _check_hole(values: np.ndarray, name: str) -> None:
    if values.min() < -HOLE:
        raise DataError(
            f"along the {name} the energy falls by {-values.min():.2g} eV below the start",
            where="vibrational_levels",
            remedy="relax the structure first; if it is, the potential is not known there: lower `ceiling`",
        )


def _radial(curve: Energies, length: float, mass: float, ceiling: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Grid of a distance, kinetic energy and potential on it."""
    scan = length * SCAN
    part = scan[_reach(curve(scan), int(np.abs(SCAN - 1).argmin()), ceiling, "distance")]
    grid = sinc_grid(part[0], part[-1], mass, ceiling)
    return grid, sinc_kinetic(grid, mass), np.minimum(curve(grid), 2 * ceiling)


def _solve_two(
    energies: Energies, start: np.ndarray, masses: np.ndarray, ceiling: float, points: tuple[int, int], count: int
) -> np.ndarray:
    length = float(np.linalg.norm(start[1] - start[0]))
    direction = (start[1] - start[0]) / length

    def curve(lengths: np.ndarray) -> np.ndarray:
        return energies(start[0] + lengths[:, None, None] * np.stack([0 * direction, direction]))

    _, kinetic, values = _radial(curve, length, float(masses.prod() / masses.sum()), ceiling)
    return np.linalg.eigvalsh(kinetic + np.diag(values))[:count]


class Radau(NamedTuple):
    """Radau coordinates of the outer atoms 1 and 2 about the central atom 3."""

    order: np.ndarray
    masses: np.ndarray

    def lengths(self, positions: np.ndarray) -> tuple[float, float, float]:
        """R1, R2 [Angstrom] and the cosine of the angle between them."""
        x, m = positions[self.order], self.masses[self.order]
        middle = (m[0] * x[0] + m[1] * x[1]) / (m[0] + m[1])
        canonical = middle + np.sqrt(m[2] / m.sum()) * (x[2] - middle)
        a, b = x[0] - canonical, x[1] - canonical
        r1, r2 = float(np.linalg.norm(a)), float(np.linalg.norm(b))
        return r1, r2, float(np.clip(a @ b / (r1 * r2), -1, 1))

    def positions(self, r1: np.ndarray | float, r2: np.ndarray | float, cosine: np.ndarray | float) -> np.ndarray:
        """Positions of the atoms in their own order, [..., 3, 3], with the canonical point at the origin."""
        r1, r2, cosine = np.broadcast_arrays(r1, r2, cosine)
        m = self.masses[self.order]
        a = np.stack([r1, 0 * r1, 0 * r1], axis=-1)
        b = np.stack([r2 * cosine, r2 * np.sqrt(np.clip(1 - cosine**2, 0, None)), 0 * r2], axis=-1)
        middle = (m[0] * a + m[1] * b) / (m[0] + m[1])
        central = middle * (1 - np.sqrt(m.sum() / m[2]))
        placed = np.empty((*r1.shape, 3, 3))
        placed[..., self.order, :] = np.stack([a, b, central], axis=-2)
        return placed


def radau_coordinates(positions: Float[np.ndarray, "3 3"], masses: Float[np.ndarray, " 3"]) -> Radau:
    """Radau coordinates of three atoms; the central one is the nearest to the others."""
    central = int(np.linalg.norm(positions[:, None] - positions[None], axis=2).sum(1).argmin())
    outer = [atom for atom in range(3) if atom != central]
    return Radau(np.array([*outer, central]), masses)


def _solve_three(
    energies: Energies, start: np.ndarray, masses: np.ndarray, ceiling: float, points: tuple[int, int], count: int
) -> np.ndarray:
    radau = radau_coordinates(start, masses)
    r1, r2, cosine = radau.lengths(start)
    m1, m2 = masses[radau.order[:2]]
    cut = _radial(lambda r: energies(radau.positions(r, r2, cosine)), r1, m1, ceiling)
    one, first = contract(*cut, points[0])
    cut = _radial(lambda r: energies(radau.positions(r1, r, cosine)), r2, m2, ceiling)
    two, second = contract(*cut, points[0])
    constant = kinetic_constant(m1) / r1**2 + kinetic_constant(m2) / r2**2
    angle, third = _angular(lambda c: energies(radau.positions(r1, r2, c)), cosine, constant, ceiling, points[1])
    grid = np.meshgrid(one, two, angle, indexing="ij")
    surface = energies(radau.positions(*map(np.ravel, grid)))
    _check_hole(surface, "grid")
    surface = np.minimum(np.nan_to_num(surface, nan=np.inf), 2 * ceiling)
    turning = (kinetic_constant(m1) / grid[0] ** 2 + kinetic_constant(m2) / grid[1] ** 2)[..., 0]
    ones = [np.eye(size) for size in grid[0].shape]
    matrix = np.kron(np.kron(first, ones[1]) + np.kron(ones[0], second), ones[2])
    matrix += np.kron(np.diag(turning.ravel()), third)
    matrix[np.diag_indices(len(surface))] += surface
    return eigh(matrix, eigvals_only=True, subset_by_index=[0, min(count, len(surface)) - 1])


def _angular(
    curve: Energies, cosine: float, constant: float, ceiling: float, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Contracted points of the cosine of the angle, and the squared angular momentum among them [hbar^2]."""
    cosines, momentum = legendre_grid(max(30, int(np.ceil(np.sqrt(SHARE * ceiling / constant)))))
    values = curve(cosines)
    inside = _reach(values, int(np.abs(cosines - cosine).argmin()), ceiling, "angle")
    walls = np.full(len(cosines), 2.0 * ceiling)
    walls[inside] = np.minimum(values[inside], 2 * ceiling)
    points, kinetic = contract(cosines, constant * momentum, walls, count)
    return points, kinetic / constant
