"""Anharmonic constants of vibrations by second-order perturbation theory."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from atnn.errors import AtnnWarning, DataError
from atnn.model import Potential
from atnn.observables.curvature import hessian
from atnn.observables.dvr import kinetic_constant
from atnn.observables.harmonic import NormalModes
from atnn.structures import Structures
from atnn.units import amu_angstrom2_per_fs2, hbar, inverse_cm, light_speed_cm_per_fs

NEAR, RESONANCE = 200.0, 1.0  # cm^-1; levels that are nearer may shift each other so far by Martin's estimate


@dataclass(frozen=True)
class AnharmonicConstants:
    """Vibrations of a molecule that does not rotate, to second order.

    Attributes:
        harmonic: Harmonic frequencies w [cm^-1].
        constants: Anharmonic constants x, symmetric [cm^-1].
    """

    harmonic: Float[np.ndarray, " modes"]
    constants: Float[np.ndarray, "modes modes"]

    @property
    def frequencies(self) -> Float[np.ndarray, " modes"]:
        """Fundamental frequencies [cm^-1]."""
        return np.array([self.level(quanta) for quanta in np.eye(len(self.harmonic), dtype=int)])

    def level(self, quanta: Sequence[int] | np.ndarray) -> float:
        """A level above the lowest, sum_i w_i n_i + sum_(i <= j) x_ij ((n_i + 1/2)(n_j + 1/2) - 1/4) [cm^-1].

        Args:
            quanta: Number of quanta n of each mode.
        """
        n = np.asarray(quanta, dtype=float)
        products = np.triu(np.outer(n + 0.5, n + 0.5) - 0.25)
        return float(self.harmonic @ n + (self.constants * products).sum())


def vpt2(
    potential: Potential, structures: Structures, modes: NormalModes, *, step: float = 0.05, atoms_at_once: int = 5000
) -> AnharmonicConstants:
    """Anharmonic constants of a molecule that is not linear, from Hessians on both sides along each normal mode.

    Cubic and quartic derivatives are those of the energy by the dimensionless normal coordinates. Resonances are not
    treated; where one would shift a level by more than 1 cm^-1, a warning counts it (criterion of Martin and others,
    J. Chem. Phys. 103, 2589 (1995)). Source of the formulas: Barone, doi:10.1063/1.1824881.

    Args:
        potential: Gives ``forces``.
        structures: The structure of ``modes``, in double precision where the potential uses it.
        modes: From :func:`atnn.observables.harmonic` at a minimum; their masses count.
        step: Displacement along each dimensionless normal coordinate.
        atoms_at_once: Largest number of atoms in one call of the potential.

    Raises:
        DataError: Not a free molecule that is not linear, or not a minimum.
    """
    if modes.rigid != 6 or modes.periodic or modes.imaginary:
        raise DataError(
            "anharmonic constants are those of a free molecule that is not linear, at a minimum",
            where="vpt2",
            remedy="take `vibrational_levels` for linear molecules of two or three atoms; relax the structure first",
        )
    cubic, quartic = _force_field(potential, structures, modes, step, atoms_at_once)
    _warn_of_resonances(modes.frequencies, cubic)
    w, coriolis = modes.frequencies, _coriolis(modes)
    constants = np.empty((len(w), len(w)))
    for i, j in np.ndindex(constants.shape):
        a, b, c = w[i], w[j], w
        if i == j:
            value = quartic[i, i] - (cubic[i, i] ** 2 * (8 * a**2 - 3 * c**2) / (c * (4 * a**2 - c**2))).sum()
            constants[i, i] = value / 16
            continue
        product = (a + b + c) * (a + b - c) * (a - b + c) * (a - b - c)
        value = quartic[i, j] - (cubic[i, i] * cubic[j, j] / c).sum() + coriolis[i, j]
        constants[i, j] = (value + (2 * c * (a**2 + b**2 - c**2) * cubic[i, j] ** 2 / product).sum()) / 4
    return AnharmonicConstants(w, constants)


def _force_field(
    potential: Potential, structures: Structures, modes: NormalModes, step: float, atoms_at_once: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cubic derivatives [modes, modes, modes] and quartic ones of two pairs [modes, modes], in cm^-1."""
    angular = 2 * np.pi * light_speed_cm_per_fs * modes.frequencies
    lengths = np.sqrt(hbar / (angular * amu_angstrom2_per_fs2))
    moves = lengths[:, None] * modes.displacements.reshape(len(angular), -1)

    def curved(shift: np.ndarray) -> np.ndarray:
        positions = structures.positions + structures.positions.new_tensor(shift.reshape(-1, 3))
        matrix = hessian(potential, structures.replace(positions=positions), atoms_at_once=atoms_at_once)
        return moves @ matrix @ moves.T / inverse_cm

    here = curved(np.zeros_like(moves[0]))
    sides = [(curved(step * move), curved(-step * move)) for move in moves]
    slopes = np.array([(up - down) / (2 * step) for up, down in sides])
    cubic = np.mean([slopes.transpose(order) for order in ((0, 1, 2), (1, 2, 0), (2, 0, 1))], axis=0)
    quartic = np.array([np.diag(up + down - 2 * here) / step**2 for up, down in sides])
    return cubic, 0.5 * (quartic + quartic.T)


def _coriolis(modes: NormalModes) -> np.ndarray:
    """4 (w_i^2 + w_j^2) / (w_i w_j) sum_a B_a zeta_ij^2 over the principal axes a [cm^-1]."""
    arms = modes.positions - modes.masses @ modes.positions / modes.masses.sum()
    inertia = np.einsum("a,ax,ay->xy", modes.masses, arms, arms)
    moments, axes = np.linalg.eigh(np.trace(inertia) * np.eye(3) - inertia)
    rotation = np.array([kinetic_constant(moment) for moment in moments]) / inverse_cm
    zeta = np.cross(modes.modes[:, None], modes.modes[None]).sum(axis=2) @ axes
    w = modes.frequencies
    return 4 * (w[:, None] / w + w / w[:, None]) * (zeta**2 @ rotation)


def _warn_of_resonances(w: np.ndarray, cubic: np.ndarray) -> None:
    """Count pairs of levels w_i + w_j and w_k that are too close for perturbation theory."""
    found = []
    for i, j, k in np.ndindex(cubic.shape):
        if i > j or k in (i, j):
            continue
        gap = max(abs(w[i] + w[j] - w[k]), 1e-3)
        if gap < NEAR and cubic[i, j, k] ** 4 / ((256 if i == j else 64) * gap**3) > RESONANCE:
            found.append(f"{i + 1}+{j + 1}={k + 1}")
    if found:
        warnings.warn(
            f"{len(found)} resonances of modes ({', '.join(found[:6])}): their anharmonic frequencies are not right",
            AtnnWarning,
            stacklevel=3,
        )
