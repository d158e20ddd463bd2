"""Isotopologues and symmetry numbers."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule
from ase.data import atomic_masses, atomic_masses_common, atomic_numbers
from scipy.spatial.transform import Rotation

from atnn.errors import DataError
from atnn.observables import ISOTOPES, isotope_masses, name_isotopologue, symmetry_number

WATER = np.array([8, 1, 1])


def test_masses_are_near_the_number_of_nucleons_and_agree_with_ase():
    for name, mass in ISOTOPES.items():
        nucleons = {"D": 2, "T": 3}.get(name) or int("".join(c for c in name if c.isdigit()))
        assert abs(mass - nucleons) < 0.09
    for name in ("1H", "4He", "7Li", "11B", "12C", "14N", "16O", "28Si", "32S", "35Cl", "63Cu", "79Br"):
        number = atomic_numbers[name.lstrip("0123456789")]
        assert ISOTOPES[name] == pytest.approx(atomic_masses_common[number], abs=2e-6)


def test_atoms_are_named_by_index_by_element_or_by_mass():
    assert isotope_masses(WATER, {}).tolist() == atomic_masses[WATER].tolist()
    assert isotope_masses(WATER, {"D": "all", "18O": [0]}).round(4).tolist() == [17.9992, 2.0141, 2.0141]
    assert isotope_masses(WATER, {"2.5": [2]}).round(4).tolist() == [15.999, 1.008, 2.5]
    assert name_isotopologue(WATER, isotope_masses(WATER, {"18O": "all", "D": [1]})) == "18O D H"
    assert name_isotopologue(WATER, isotope_masses(WATER, {"2.5": [2]})) == "O H H(2.5)"


@pytest.mark.parametrize(
    ("isotopes", "words"),
    [
        ({"D": [0]}, r"choose among \[1, 2\]"),
        ({"D": [3]}, "choose among"),
        ({"13C": "all"}, "is not there"),
        ({"Deuterium": [1]}, "known: 1H, D"),
        ({"12o": [1]}, "known"),
        ({"2.0": "all"}, "by indices"),
        ({"nan": [1]}, "known"),
    ],
)
def test_impossible_isotopes_are_refused(isotopes, words):
    with pytest.raises(DataError, match=words):
        isotope_masses(WATER, isotopes)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("H2O", 2),
        ("NH3", 3),
        ("CH4", 12),
        ("C2H4", 4),
        ("C6H6", 12),
        ("CO2", 2),
        ("HCN", 1),
        ("CH3CH2OH", 1),
        ("C2H6", 6),
    ],
)
def test_symmetry_numbers_are_those_of_the_textbook(name, number):
    atoms = molecule(name)
    places = atoms.positions @ Rotation.from_rotvec([1.0, 0.2, -0.7]).as_matrix() + 2.0
    places += np.random.default_rng(0).normal(scale=1e-3, size=places.shape)
    assert symmetry_number(atoms.numbers, places, atoms.get_masses()) == number


def test_isotopes_break_the_symmetry():
    atoms = molecule("H2O")
    for isotopes, number in (({"D": [1]}, 1), ({"D": "all"}, 2), ({"18O": "all"}, 2)):
        masses = isotope_masses(atoms.numbers, isotopes)
        assert symmetry_number(atoms.numbers, atoms.positions, masses) == number
