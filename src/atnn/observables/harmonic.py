"""Normal modes: harmonic frequencies, infrared intensities and Raman activities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.data import atomic_masses
from jaxtyping import Float, Int

from atnn.model import Potential
from atnn.observables.curvature import Curvature, curvature
from atnn.observables.infrared import KM_PER_MOL
from atnn.observables.scattering import depolarization, raman_activity
from atnn.structures import Structures
from atnn.units import acceleration, coulomb, light_speed_cm_per_fs

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
        energy: Energy at these positions [eV].
        spin: Number of unpaired electrons, zero where it was not stated.
        periodic: Whether the structure is periodic along any direction.
        activities: Raman activities [Angstrom^4/amu], or None where the potential gives no polarizability.
        depolarizations: Depolarisation ratios for plane-polarised light, NaN of modes without activity, or None.
    """

    frequencies: Float[np.ndarray, " modes"]
    intensities: Float[np.ndarray, " modes"] | None
    modes: Float[np.ndarray, "modes atoms 3"]
    positions: Float[np.ndarray, "atoms 3"]
    numbers: Int[np.ndarray, " atoms"]
    masses: Float[np.ndarray, " atoms"]
    rigid: int
    largest_force: float
    energy: float = 0.0
    spin: int = 0
    periodic: bool = False
    activities: Float[np.ndarray, " modes"] | None = None
    depolarizations: Float[np.ndarray, " modes"] | None = None

    @property
    def displacements(self) -> Float[np.ndarray, "modes atoms 3"]:
        """Cartesian displacements of the modes for a mass-weighted amplitude of one [amu^-1/2]."""
        return self.modes / np.sqrt(self.masses)[:, None]

    @property
    def imaginary(self) -> int:
        """Number of imaginary frequencies: none at a minimum, one at a transition state."""
        return int((self.frequencies < 0).sum())


def harmonic(
    potential: Potential,
    structures: Structures,
    *,
    displacement: float = 0.005,
    masses: Float[np.ndarray, " atoms"] | None = None,
    atoms_at_once: int = 5000,
) -> NormalModes:
    """Normal modes of one structure, see :func:`atnn.observables.curvature` and :func:`atnn.observables.normal_modes`.

    Args:
        potential: Gives ``energy`` and ``forces``, ``dipole`` or ``born_charges`` where infrared intensities are
            wanted, and ``polarizability`` or ``polarizability_gradients`` where Raman activities are.
        structures: One relaxed structure, in double precision where the potential uses it.
        displacement: Displacement of each coordinate to both sides [Angstrom].
        masses: Masses [amu]; the standard atomic weights when not given.
        atoms_at_once: Largest number of atoms in one call of the potential.

    Raises:
        DataError: Not exactly one structure, or all of its atoms are fixed.
    """
    found = curvature(potential, structures, displacement=displacement, atoms_at_once=atoms_at_once)
    return normal_modes(found, masses)


def normal_modes(curved: Curvature, masses: Float[np.ndarray, " atoms"] | None = None) -> NormalModes:
    """Normal modes of one isotopologue. The derivatives serve all isotopologues, since they do not depend on masses.

    Translations and rotations are projected out, so that 3 N - 6 modes remain, or 3 N - 5 of a linear molecule.
    Periodic structures have the modes of the Gamma point and lose translations only. Where atoms are fixed, the others
    vibrate against them: three modes for each, and nothing is projected out.

    Args:
        curved: Derivatives at a minimum.
        masses: Masses [amu]; the standard atomic weights when not given.
    """
    structures = curved.structures
    numbers = structures.numbers.cpu().numpy()
    masses = atomic_masses[numbers] if masses is None else np.asarray(masses, dtype=float)
    positions = structures.positions.detach().cpu().double().numpy()
    free = np.flatnonzero(np.repeat(curved.free, 3))
    weights = np.repeat(np.sqrt(masses), 3)
    if len(free) < len(weights):
        internal = np.eye(len(weights))[:, free]
    else:
        internal = _internal_space(positions, masses, periodic=bool(structures.pbc.any()))
    inner = internal[free]
    matrix = inner.T @ (curved.hessian / np.outer(weights[free], weights[free])) @ inner
    eigenvalues, vectors = np.linalg.eigh(matrix)
    modes = (internal @ vectors).T
    angular = np.sign(eigenvalues) * np.sqrt(np.abs(eigenvalues) * acceleration)
    moves = modes[:, free] / weights[free]
    slopes = None if curved.polarizability is None else coulomb * np.tensordot(moves, curved.polarizability, 1)
    return NormalModes(
        frequencies=angular / (2 * np.pi * light_speed_cm_per_fs),
        intensities=None if curved.dipole is None else KM_PER_MOL * ((moves @ curved.dipole) ** 2).sum(axis=1),
        modes=modes.reshape(len(modes), len(numbers), 3),
        positions=positions,
        numbers=numbers,
        masses=masses,
        rigid=len(free) - len(modes),
        largest_force=float(np.linalg.norm(curved.forces[curved.free], axis=1).max()),
        energy=curved.energy,
        spin=0 if structures.spin is None else int(structures.spin[0]),
        periodic=bool(structures.pbc.any()),
        activities=None if slopes is None else raman_activity(slopes),
        depolarizations=None if slopes is None else depolarization(slopes),
    )


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
