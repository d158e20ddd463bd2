"""Vibrational densities of states from velocities: of all atoms, of groups of atoms, and of normal modes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from ase.data import chemical_symbols
from jaxtyping import Float, Int
from torch import Tensor

from atnn.errors import DataError
from atnn.observables.spectrum import Spectrum, as_array, densities_of_copies, summarise_copies
from atnn.units import amu_angstrom2_per_fs2, boltzmann

UNIT = "1/cm^-1"


def power_spectrum(
    velocities: Tensor | np.ndarray,
    masses: Tensor | np.ndarray,
    timestep: float,
    temperature: float,
    *,
    resolution: float = 10.0,
    window: str = "hann",
    maximum: float | None = None,
) -> Spectrum:
    """Vibrational density of states from the mass-weighted velocity autocorrelation.

    Its integral is the number of degrees of freedom, of which each carries k_B T / 2.

    Args:
        velocities: Velocities [time, copies, atoms, 3] of copies of one structure [Angstrom/fs].
        masses: Masses [atoms] of the structure [amu].
        timestep: Time between two samples [fs].
        temperature: Temperature [K].
        resolution: Full width at half maximum that a sharp line gets [cm^-1].
        window: ``hann``, ``gaussian`` or ``blackman``.
        maximum: Largest wavenumber to return [cm^-1].

    Returns:
        Spectrum in ``1/cm^-1`` (states per wavenumber).
    """
    weighted = weigh(velocities, masses, temperature)
    flat = weighted.reshape(*weighted.shape[:2], -1).transpose(1, 0, 2)
    frequencies, densities, resolution = densities_of_copies(flat, timestep, temperature, resolution, window)
    return summarise_copies(frequencies, densities, UNIT, resolution, maximum)


def power_spectra(
    velocities: Tensor | np.ndarray,
    masses: Tensor | np.ndarray,
    timestep: float,
    temperature: float,
    groups: Mapping[str, Sequence[int] | Int[np.ndarray, " members"]],
    *,
    resolution: float = 10.0,
    window: str = "hann",
    maximum: float | None = None,
) -> dict[str, Spectrum]:
    """Vibrational density of states of groups of atoms; the integral of each counts its degrees of freedom.

    Args:
        velocities, masses, timestep, temperature, resolution, window, maximum: As for :func:`power_spectrum`.
        groups: Name -> indices of atoms. The spectra of groups that part the structure add up to the whole one.

    Raises:
        DataError: A group is empty or names an atom that is not there.
    """
    values, weights = as_array(velocities), as_array(masses)
    spectra = {}
    for name, members in groups.items():
        chosen = np.asarray(members, dtype=int)
        if not len(chosen) or chosen.min() < 0 or chosen.max() >= len(weights):
            raise DataError(
                f"the group {name!r} is empty, or names atoms that are not there",
                where="power_spectra",
                remedy=f"give indices from 0 to {len(weights) - 1}",
            )
        spectra[name] = power_spectrum(
            values[:, :, chosen], weights[chosen], timestep, temperature,
            resolution=resolution, window=window, maximum=maximum,
        )  # fmt: skip
    return spectra


def groups_by_element(numbers: Int[np.ndarray, " atoms"]) -> dict[str, Int[np.ndarray, " members"]]:
    """Atoms of each element, by their symbols.

    >>> groups_by_element(np.array([8, 1, 1]))["H"].tolist()
    [1, 2]
    """
    return {chemical_symbols[number]: np.flatnonzero(numbers == number) for number in np.unique(numbers)}


def mode_spectra(
    positions: Tensor | np.ndarray,
    velocities: Tensor | np.ndarray,
    masses: Tensor | np.ndarray,
    reference: Float[np.ndarray, "atoms 3"],
    modes: Float[np.ndarray, "modes atoms 3"],
    timestep: float,
    temperature: float,
    *,
    turn: bool = True,
    resolution: float = 10.0,
    window: str = "hann",
    maximum: float | None = None,
) -> list[Spectrum]:
    """Density of states of each normal mode, from the velocities along it; each integral is one degree of freedom.

    Velocities of a molecule are seen from its Eckart frame, in which it does not turn against the reference. The frame
    is where the mass-weighted distance to the reference is smallest. That the frame itself turns is no motion along a
    mode, to first order in the displacements.

    Args:
        positions: Positions [time, copies, atoms, 3] [Angstrom].
        velocities: Velocities [time, copies, atoms, 3] [Angstrom/fs].
        masses: Masses [atoms] [amu].
        reference: Positions at which the modes were found [Angstrom].
        modes: Mass-weighted displacements, orthonormal: ``NormalModes.modes``.
        timestep, temperature, resolution, window, maximum: As for :func:`power_spectrum`.
        turn: Whether the structure may turn: false for periodic ones.

    Raises:
        DataError: Shapes do not belong together.

    Reference: Eckart, Phys. Rev. 47, 552 (1935), doi:10.1103/PhysRev.47.552; Kudin and Dymarsky, J. Chem. Phys. 122,
    224105 (2005), doi:10.1063/1.1929739.
    """
    weights, places = as_array(masses), as_array(positions)
    weighted = weigh(velocities, weights, temperature)
    if places.shape != weighted.shape or modes.shape[1:] != places.shape[2:] or reference.shape != places.shape[2:]:
        raise DataError(
            f"positions {places.shape}, velocities {weighted.shape}, modes {modes.shape} and reference "
            f"{reference.shape} do not belong together",
            where="mode_spectra",
            remedy="give modes of the structure of the trajectory, its atoms in the same order",
        )
    if turn:
        weighted = np.einsum("tcij,tcai->tcaj", eckart_rotations(places, reference, weights), weighted)
    along = np.einsum("tcai,mai->ctm", weighted, modes)
    spectra = []
    for k in range(len(modes)):
        frequencies, densities, reached = densities_of_copies(
            along[:, :, k : k + 1], timestep, temperature, resolution, window
        )
        spectra.append(summarise_copies(frequencies, densities, UNIT, reached, maximum))
    return spectra


def eckart_rotations(
    positions: Float[np.ndarray, "*frames atoms 3"],
    reference: Float[np.ndarray, "atoms 3"],
    masses: Float[np.ndarray, " atoms"],
) -> Float[np.ndarray, "*frames 3 3"]:
    """Rotations R that turn the reference to each frame: R (reference - center) is nearest to (positions - center)."""
    shares = masses / masses.sum()
    arms = positions - np.einsum("a,...ai->...i", shares, positions)[..., None, :]
    still = (reference - shares @ reference) * shares[:, None]
    left, _, right = np.linalg.svd(np.einsum("...ai,aj->...ij", arms, still))
    signs = np.ones(left.shape[:-1])
    signs[..., 2] = np.sign(np.linalg.det(left @ right))
    return (left * signs[..., None, :]) @ right


def remainder(total: Spectrum, parts: Sequence[Spectrum]) -> Spectrum:
    """What the parts leave of the whole, copy by copy: rotation and translation, where the parts are all modes."""
    assert total.copies is not None
    left = total.copies - np.sum([np.asarray(part.copies) for part in parts], axis=0)
    found = summarise_copies(total.frequencies, left, total.unit, total.resolution, None)
    return replace(found, origin=total.origin)


def weigh(
    velocities: Tensor | np.ndarray, masses: Tensor | np.ndarray, temperature: float
) -> Float[np.ndarray, "time copies atoms 3"]:
    """Velocities in units of the thermal velocity, of which each component has a mean square of one.

    Raises:
        DataError: The shapes do not belong together.
    """
    values, weights = as_array(velocities), as_array(masses)
    if values.ndim != 4 or values.shape[2:] != (len(weights), 3):
        raise DataError(
            f"velocities have the shape {values.shape} for {len(weights)} masses",
            where="power_spectrum",
            remedy="give an array [time, copies, atoms, 3]",
        )
    return math.sqrt(amu_angstrom2_per_fs2 / (boltzmann * temperature)) * values * np.sqrt(weights)[:, None]
