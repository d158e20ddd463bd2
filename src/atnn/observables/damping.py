"""Vibrations that lose their energy to electron-hole pairs, by the electronic friction tensor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from atnn.errors import DataError
from atnn.observables.harmonic import NormalModes
from atnn.units import acceleration, hbar, inverse_cm, ps

NOISE = 1e-6  # asymmetry and negative eigenvalues, relative to the largest one


@dataclass(frozen=True)
class Damping:
    """How fast vibrations lose their energy.

    Attributes:
        rates: Rate of the energy of each mode, the diagonal of ``coupling`` [1/ps].
        lifetimes: Inverse of the rates [ps]; infinite for modes without friction.
        widths: Full width at half maximum of the lines that this makes [cm^-1].
        coupling: Friction between modes [1/ps].
    """

    rates: Float[np.ndarray, " modes"]
    lifetimes: Float[np.ndarray, " modes"]
    widths: Float[np.ndarray, " modes"]
    coupling: Float[np.ndarray, "modes modes"]


def damping(modes: NormalModes, friction: np.ndarray) -> Damping:
    """Relaxation rates of vibrations from the friction tensor at the same geometry.

    With the mass-weighted tensor Lambda~_ij = Lambda_ij / sqrt(m_i m_j) the coupling of the modes e is
    G_kl = e_k^T Lambda~ e_l. Mode k loses its energy with the rate G_kk, because the friction force -Lambda v takes
    the power v^T Lambda v, and the kinetic energy is half of the energy on average.
    Source: doi:10.1103/PhysRevB.94.115432.

    Args:
        modes: Normal modes, of the adsorbate or of adsorbate and surface.
        friction: Square matrix of all coordinates of ``modes``, or of those of the atoms that vibrate; not
            mass-weighted [eV*fs/Angstrom^2].

    Raises:
        DataError: The tensor has another size, is not symmetric, not finite or has negative eigenvalues.
    """
    friction = np.asarray(friction, dtype=float)
    moving = np.flatnonzero(np.repeat(np.abs(modes.modes).max(axis=(0, 2)) > 0, 3))
    every = np.arange(3 * len(modes.numbers))
    sizes = {len(moving): moving, len(every): every}
    if friction.ndim != 2 or friction.shape[0] != friction.shape[1] or len(friction) not in sizes:
        raise DataError(
            f"a friction tensor of the shape {friction.shape}",
            where="damping",
            remedy=f"give one of all {len(every)} coordinates, or of the {len(moving)} of the atoms that vibrate",
        )
    _check(friction)
    rows = sizes[len(friction)]
    moves = (modes.displacements.reshape(len(modes.modes), -1))[:, rows]
    coupling = acceleration * ps * (moves @ (0.5 * (friction + friction.T)) @ moves.T)
    rates = np.diag(coupling).clip(min=0)
    with np.errstate(divide="ignore"):
        lifetimes = 1 / rates
    return Damping(rates, lifetimes, hbar / ps * rates / inverse_cm, coupling)


def _check(friction: np.ndarray) -> None:
    where = "friction tensor"
    if not np.isfinite(friction).all():
        raise DataError("values that are not finite", where=where, remedy="look at where it comes from")
    largest = float(np.abs(friction).max(initial=0.0))
    asymmetry = float(np.abs(friction - friction.T).max(initial=0.0))
    if asymmetry > NOISE * largest:
        raise DataError(
            f"not symmetric: elements differ by up to {asymmetry:.2g} eV*fs/Angstrom^2", where=where,
            remedy="average it with its transpose if that is noise",
        )  # fmt: skip
    lowest = float(np.linalg.eigvalsh(friction).min(initial=0.0))
    if lowest < -NOISE * largest:
        raise DataError(
            f"a negative eigenvalue, {lowest:.2g} eV*fs/Angstrom^2: it would heat vibrations", where=where,
            remedy="check its sign, its units and its convergence",
        )  # fmt: skip
