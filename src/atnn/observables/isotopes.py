"""Masses of isotopologues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from ase.data import atomic_masses, atomic_numbers, chemical_symbols
from jaxtyping import Float, Int

from atnn.errors import DataError, suggest

# Isotopes that experiments exchange [amu]. Source: AME2020, doi:10.1088/1674-1137/abddaf.
ISOTOPES: dict[str, float] = {
    "1H": 1.007825, "D": 2.014102, "T": 3.016049, "3He": 3.016029, "4He": 4.002603, "6Li": 6.015123, "7Li": 7.016003,
    "10B": 10.012937, "11B": 11.009305, "12C": 12.0, "13C": 13.003355, "14C": 14.003242, "14N": 14.003074,
    "15N": 15.000109, "16O": 15.994915, "17O": 16.999132, "18O": 17.999160, "28Si": 27.976927, "29Si": 28.976495,
    "30Si": 29.973770, "32S": 31.972071, "33S": 32.971459, "34S": 33.967867, "35Cl": 34.968853, "37Cl": 36.965903,
    "63Cu": 62.929597, "65Cu": 64.927789, "79Br": 78.918338, "81Br": 80.916288,
}  # fmt: skip
_HYDROGEN = {"D": "H", "T": "H"}


def isotope_masses(
    numbers: Int[np.ndarray, " atoms"], isotopes: Mapping[str, Sequence[int] | Literal["all"]]
) -> Float[np.ndarray, " atoms"]:
    """Masses of an isotopologue [amu]; atoms that are not named have the standard atomic weights.

    Args:
        numbers: Atomic numbers.
        isotopes: Isotope, such as ``D`` or ``18O``, or a mass in amu as text -> indices of the atoms, or ``all`` atoms
            of that element.

    Raises:
        DataError: The isotope is unknown, or an atom is not there or of another element.

    >>> isotope_masses(np.array([8, 1, 1]), {"D": [1]}).round(3).tolist()
    [15.999, 2.014, 1.008]
    """
    masses = atomic_masses[numbers].copy()
    for isotope, atoms in isotopes.items():
        mass, element = _look_up(isotope)
        of_element = numbers == element if element else np.ones(len(numbers), dtype=bool)
        if atoms == "all" and not element:
            raise DataError(
                f"a mass of {isotope} amu belongs to no element", where="isotopes", remedy="name the atoms by indices"
            )
        chosen = np.flatnonzero(of_element) if atoms == "all" else np.asarray(atoms, dtype=int)
        if ((chosen < 0) | (chosen >= len(numbers))).any() or not len(chosen) or not of_element[chosen].all():
            known = np.flatnonzero(of_element).tolist()
            raise DataError(
                f"atoms {chosen.tolist()} cannot be {isotope}",
                where="isotopes",
                remedy=f"choose among {known}; indices count from zero" if known else "the element is not there",
            )
        masses[chosen] = mass
    return masses


def _look_up(isotope: str) -> tuple[float, int]:
    """Mass, and atomic number or zero where a mass was given."""
    if isotope in ISOTOPES:
        symbol = _HYDROGEN.get(isotope, isotope.lstrip("0123456789"))
        return ISOTOPES[isotope], atomic_numbers[symbol]
    try:
        mass = float(isotope)
    except ValueError:
        mass = np.nan
    if not 0 < mass < 300:
        raise DataError(
            f"no isotope {isotope!r} is known",
            where="isotopes",
            remedy=f"{suggest(isotope, ISOTOPES)}known: {', '.join(ISOTOPES)}; others by their mass in amu",
        )
    return mass, 0


def name_isotopologue(numbers: Int[np.ndarray, " atoms"], masses: Float[np.ndarray, " atoms"]) -> str:
    """Symbols of the atoms, with the mass of those that have not the standard atomic weight.

    >>> name_isotopologue(np.array([8, 1, 1]), np.array([15.999, 2.014102, 1.008]))
    'O D H'
    """
    names = {(atomic_numbers[_HYDROGEN.get(k, k.lstrip("0123456789"))], round(m, 4)): k for k, m in ISOTOPES.items()}
    words = []
    for number, mass in zip(numbers, masses, strict=True):
        symbol = chemical_symbols[number]
        standard = abs(mass - atomic_masses[number]) < 1e-6
        words.append(symbol if standard else names.get((number, round(mass, 4)), f"{symbol}({mass:g})"))
    return " ".join(words)
