"""Energies in hartree that pass for eV."""

from __future__ import annotations

import warnings

import pytest

from atnn.errors import AtnnWarning
from atnn.reading import read


def test_hartree_taken_for_ev_is_pointed_out_and_not_changed(water_file):
    path = water_file("energy=-76.4")
    with pytest.warns(AtnnWarning, match="size is that of all-electron energies in hartree"):
        data = read(path)
    assert data[[0]].labels["energy"].tolist() == [-76.4]


# water: all electrons in eV, with pseudopotentials in eV and in hartree, and as an atomisation energy
@pytest.mark.parametrize("energy", [-2079.0, -468.0, -17.2, -14.2, -10.1, 0.5])
def test_energies_of_other_kinds_pass(water_file, energy):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(water_file(f"energy={energy}"))


def test_declared_units_are_believed(water_file):
    path = water_file("energy=-76.4")
    for energy in ("eV", "hartree"):
        assert read(path, units={"energy": energy, "length": "Angstrom"}).summary.labels["energy"].unit == energy
