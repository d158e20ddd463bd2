"""Everything that is computed of the vibrations of one structure."""

from __future__ import annotations

from typing import NamedTuple, get_args

import numpy as np
from jaxtyping import Float

from atnn.model import Potential
from atnn.observables.anharmonic import Levels, vibrational_levels
from atnn.observables.harmonic import NormalModes, harmonic
from atnn.observables.perturbation import AnharmonicConstants, vpt2
from atnn.observables.thermochemistry import Thermochemistry, Treatment, thermochemistry
from atnn.structures import Structures

GRID_ATOMS = (2, 3)  # of molecules whose levels are solved on a grid


class Vibrations(NamedTuple):
    """Vibrations of one structure.

    Attributes:
        modes: Normal modes.
        thermochemistry: Treatment of low modes -> free energy and its parts.
        levels: Levels on a grid, of two or three atoms; None where they were not asked for.
        constants: Anharmonic constants of perturbation theory, of molecules that are not linear; None likewise.
    """

    modes: NormalModes
    thermochemistry: dict[str, Thermochemistry]
    levels: Levels | None
    constants: AnharmonicConstants | None


def analyse_vibrations(
    potential: Potential,
    structures: Structures,
    *,
    masses: Float[np.ndarray, " atoms"] | None = None,
    temperature: float = 298.15,
    pressure: float = 1.0,
    symmetry: int | None = None,
    anharmonic: bool = False,
) -> Vibrations:
    """Compute normal modes, free energies in every treatment of low modes and, if asked for, anharmonic levels.

    Args:
        potential: Gives ``energy`` and ``forces``.
        structures: One structure at a minimum.
        masses: Masses [amu]; the standard atomic weights when not given.
        temperature: Temperature [K].
        pressure: Pressure of the gas [bar].
        symmetry: Symmetry number; found from the structure when not given.
        anharmonic: Whether to solve molecules of two or three atoms on a grid, and to treat all that are not linear by
            perturbation theory.

    Raises:
        DataError: Not one structure, or one without what the methods need; see each of them.
    """
    modes = harmonic(potential, structures, masses=masses)
    treated = {
        low: thermochemistry(modes, temperature, pressure, low=low, symmetry=symmetry) for low in get_args(Treatment)
    }
    levels = constants = None
    small = len(modes.numbers) in GRID_ATOMS
    if anharmonic and small:
        levels = vibrational_levels(potential, structures, masses=modes.masses)
    if anharmonic and (modes.rigid == 6 or not small):
        constants = vpt2(potential, structures, modes)
    return Vibrations(modes, treated, levels, constants)
