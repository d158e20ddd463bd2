"""Databases with the metadata of SchNetPack 2, doi:10.1063/5.0138367, written through ASE."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.db import connect

from atnn.errors import DataError
from atnn.reading import read
from atnn.units import bohr, debye, hartree, kcal_per_mol

WATER = np.array([[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]])
FORCES = np.random.default_rng(0).normal(size=(2, 3, 3))


def write(path, units, length="Ang", **metadata):
    values = {"energy": -1.0, "forces": FORCES, "dipole_moment": np.array([0.0, 0.0, 1.85]), "energy_U0": -2.0}
    with connect(path) as database:
        database.metadata = {"_property_unit_dict": units, "_distance_unit": length, "atomrefs": {}, **metadata}
        for index in range(2):
            data = {key: np.array(value) for key, value in values.items() if key in units}
            data |= {"forces": FORCES[index]} if "forces" in units else {}
            data |= {"energy": np.array([-1.0 - index])} if "energy" in units else {}
            database.write(Atoms("OH2", WATER * (1 + 0.1 * index)), data=data, key_value_pairs={"origin": "test"})
    return path


@pytest.mark.parametrize(
    ("units", "energy", "length"),
    [
        ({"energy": "kcal/mol", "forces": "kcal/mol/Ang"}, kcal_per_mol, 1.0),
        ({"energy": "Ha", "forces": "Ha/Bohr"}, hartree, bohr),
        ({"energy": "eV", "forces": "eV / Ang"}, 1.0, 1.0),
        ({"energy": "Hartree", "forces": "hartree/a0"}, hartree, bohr),
    ],
)
def test_units_are_those_of_the_metadata(tmp_path, units, energy, length):
    data = read(write(tmp_path / "a.db", units))
    assert np.allclose(data[:].labels["energy"], [-energy, -2 * energy])
    assert np.allclose(data[:].labels["forces"], FORCES.reshape(-1, 3) * energy / length)
    assert np.allclose(data[:].structures.positions[:3], WATER)


def test_lengths_may_be_bohr_while_forces_are_per_angstrom(tmp_path):
    batch = read(write(tmp_path / "a.db", {"energy": "eV", "forces": "eV/Ang"}, "Bohr"))[:]
    assert np.allclose(batch.structures.positions[:3], WATER * bohr)
    assert np.allclose(batch.labels["forces"], FORCES.reshape(-1, 3))


def test_dipoles_have_their_own_unit(tmp_path):
    batch = read(write(tmp_path / "a.db", {"dipole_moment": "Debye"}))[:]
    assert np.allclose(batch.labels["dipole"], [[0, 0, 1.85 * debye]] * 2)


def test_a_declared_property_brings_its_own_unit(tmp_path):
    path = write(tmp_path / "a.db", {"energy": "eV", "energy_U0": "Ha"})
    assert np.allclose(read(path, keys={"energy": "energy_U0"})[:].labels["energy"], -2 * hartree)


def test_declared_units_come_first(tmp_path):
    path = write(tmp_path / "a.db", {"energy": "eV"})
    units = {"energy": "hartree", "length": "Angstrom"}
    assert np.allclose(read(path, units=units)[:].labels["energy"], [-hartree, -2 * hartree])


def test_the_length_of_a_dipole_is_no_dipole(tmp_path):
    path = tmp_path / "a.db"
    with connect(path) as database:
        database.metadata = {"_property_unit_dict": {"dipole_moment": "Debye"}, "_distance_unit": "Ang"}
        database.write(Atoms("OH2", WATER), data={"dipole_moment": np.array([1.85])})
    data = read(path)
    assert "dipole" not in data[:].labels and data.summary.unread["dipole_norm"] == 1


@pytest.mark.parametrize("unit", ["furlong", "kcal", None])
def test_unknown_units_are_an_error_that_names_the_file(tmp_path, unit):
    with pytest.raises(DataError, match="unit") as caught:
        read(write(tmp_path / "a.db", {"energy": unit}))
    assert "a.db" in str(caught.value)


def test_a_database_without_units_stays_one_of_ase(tmp_path):
    with connect(tmp_path / "a.db") as database:
        database.write(Atoms("OH2", WATER))
    assert len(read(tmp_path / "a.db")) == 1
    with pytest.raises(DataError, match="state no units"):
        read(tmp_path / "a.db", format="schnetpack")


def test_a_property_of_a_wrong_shape_is_named(tmp_path):
    path = write(tmp_path / "a.db", {"energy": "eV"})
    with connect(path) as database:
        database.write(Atoms("OH2", WATER), data={"energy": np.zeros(2)})
    with pytest.raises(DataError, match="'energy' has the shape") as caught:
        read(path)
    assert "frame 2" in caught.value.where
