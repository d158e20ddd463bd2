"""Keys and units: recognised, declared, or an error; never guessed."""

from __future__ import annotations

import logging

import pytest

from atnn.errors import AtnnWarning, DataError
from atnn.reading import read
from atnn.units import bohr, hartree
from references.loading import reference


def test_known_names_are_recognised_and_reported(water_file, caplog):
    path = water_file("REF_energy=-2.0 note=abc", columns=":dft_forces:R:3", values="1 2 3")
    with caplog.at_level(logging.INFO, logger="atnn"):
        data = read(path)
    assert data[[0]].labels["energy"].tolist() == [-2.0]
    assert data[[0]].labels["forces"][0].tolist() == [1, 2, 3]
    assert data.summary.labels["forces"].key == "dft_forces"
    assert data.summary.unread == {"note": 1}
    assert "energy: key 'REF_energy' in eV" in caplog.text and "not read: note" in caplog.text


def test_a_declared_key_is_read(water_file):
    path = water_file("my_energy=-2.0 energy=-1.0")
    assert read(path, keys={"energy": "my_energy"})[[0]].labels["energy"].tolist() == [-2.0]


def test_a_key_declared_as_none_is_left_unread(water_file):
    data = read(water_file("energy=-2.0 charge=1"), keys={"energy": None, "charge": None})
    assert data.summary.labels == {} and data[[0]].structures.charge is None
    assert set(data.summary.unread) == {"energy", "charge"}


def test_two_keys_for_one_quantity_are_an_error(water_file):
    with pytest.raises(DataError, match="energy may be any of the keys 'energy', 'REF_energy'") as caught:
        read(water_file("energy=1.0 REF_energy=2.0"))
    assert "keys=" in caught.value.remedy
    with pytest.raises(DataError, match="energy may be any"):
        read(water_file("energy=1.0", "REF_energy=2.0"))


def test_a_frame_without_energy_is_masked_and_counted_with_the_keys_that_exist(water_file):
    path = water_file("energy=1.0 a=1", "b=2", "energy=3.0")
    with pytest.warns(AtnnWarning, match=r"1 of 3 frames have no energy .*frame 1, whose keys are: b"):
        data = read(path)
    assert data.labelled.masks["energy"].tolist() == [True, False, True]
    assert data.labelled.labels["energy"].tolist() == [1.0, 0.0, 3.0]
    assert data.summary.labels["energy"].missing == 1


def test_a_declared_key_that_no_frame_has_is_an_error_listing_those_that_exist(water_file):
    with pytest.raises(DataError, match="no frame has the key 'E_dft'") as caught:
        read(water_file("energy=1.0 virial_x=2"), keys={"energy": "E_dft"})
    assert "energy, virial_x" in caught.value.remedy


def test_an_unknown_quantity_is_an_error(water_file):
    with pytest.raises(DataError, match="no quantity is called 'enregy'"):
        read(water_file("energy=1.0"), keys={"enregy": "energy"})


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_labels_that_are_not_finite_are_an_error_naming_file_frame_and_key(water_file, value):
    path = water_file("energy=1.0", f"energy={value}")
    with pytest.raises(DataError, match="'energy' holds NaN or infinite") as caught:
        read(path)
    assert str(path) in caught.value.where and "frame 1" in caught.value.where
    with pytest.raises(DataError, match="'forces' holds NaN"):
        read(water_file("energy=1.0", columns=":forces:R:3", values=f"0 {value} 0"))


def test_forces_of_another_shape_are_an_error(water_file):
    with pytest.raises(DataError, match=r"'forces' has the shape \(3, 2\), expected \(3, 3\)"):
        read(water_file("energy=1.0", columns=":forces:R:2", values="0 1"))


@pytest.mark.parametrize(("value", "message"), [("abc", "not a number"), ("T", "not a number"), ('"1 2"', "shape")])
def test_an_energy_that_is_no_number_is_an_error(water_file, value, message):
    with pytest.raises(DataError, match=message):
        read(water_file(f"energy={value}"))


def test_declared_units_convert_everything_that_follows_from_them(water_file):
    path = water_file(
        'energy=1 stress="1 0 0 0 1 0 0 0 1" dipole="0 0 1" Lattice="30 0 0 0 30 0 0 0 30" pbc="F F F"',
        columns=":forces:R:3",
        values="1 0 0",
    )
    batch = read(path, units={"energy": "hartree", "length": "bohr"})[[0]]
    assert batch.labels["energy"][0] == pytest.approx(hartree)
    assert batch.labels["forces"][0, 0] == pytest.approx(hartree / bohr)
    assert batch.labels["stress"][0, 0, 0] == pytest.approx(hartree / bohr**3)
    assert batch.labels["dipole"][0, 2] == pytest.approx(bohr)
    assert batch.structures.positions[0, 2] == pytest.approx(0.1 * bohr)
    assert batch.structures.cell[0, 0, 0] == pytest.approx(30 * bohr)


def test_a_unit_declared_by_itself_replaces_what_follows(water_file):
    path = water_file('energy=1 dipole="0 0 1"')
    batch = read(path, units={"dipole": "debye"})[[0]]
    assert batch.labels["dipole"][0, 2] == pytest.approx(reference("conversions")["debye"], rel=1e-6)
    assert batch.labels["energy"][0] == 1.0


@pytest.mark.parametrize(
    ("units", "message"),
    [({"energy": "Hartrees"}, "unknown unit 'Hartrees'.*hartree"), ({"mass": "kg"}, "no quantity 'mass' has a unit")],
)
def test_an_unknown_unit_is_an_error_listing_the_known_ones(water_file, units, message):
    with pytest.raises(DataError, match=message):
        read(water_file("energy=1"), units=units)
