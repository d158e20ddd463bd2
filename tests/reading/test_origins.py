"""Dipoles of ions are read about the point that the file or the user states, and about no other."""

import numpy as np
import pytest
import torch
from ase.build import molecule
from ase.io import write

from atnn.data import Store, write_extxyz
from atnn.errors import DataError, SpecificationError
from atnn.reading import convert, read
from atnn.specification import parse
from atnn.training import DataConfig

CHARGES = np.array([-0.4, 0.7, 0.7])


def write_ions(path, center, charge=1.0, **info):
    """Water cations and a neutral molecule with dipoles of point charges about some point."""
    frames = []
    for shift in ([0, 0, 0], [3.0, -1.0, 2.0]):
        atoms = molecule("H2O")
        atoms.translate(shift)
        charges = CHARGES + (charge - CHARGES.sum()) / 3
        atoms.info = {"charge": charge, "mu": charges @ (atoms.positions - center(atoms)), **info}
        frames.append(atoms)
    write(path, frames, format="extxyz")
    return torch.as_tensor(np.array([charges @ atoms.positions for atoms in frames]))


CENTERS = {
    "coordinates": lambda atoms: np.zeros(3),
    "mass": lambda atoms: atoms.get_center_of_mass(),
    "nuclear_charge": lambda atoms: atoms.numbers @ atoms.positions / atoms.numbers.sum(),
}


@pytest.mark.parametrize("origin", CENTERS)
def test_dipoles_of_ions_are_shifted_to_the_origin_of_the_coordinates(tmp_path, origin):
    expected = write_ions(tmp_path / "a.xyz", CENTERS[origin])
    found = read(tmp_path / "a.xyz", dipole_origin=origin).labelled.labels["dipole"]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-7)
    write_ions(tmp_path / "b.xyz", CENTERS[origin], dipole_origin=origin)
    torch.testing.assert_close(read(tmp_path / "b.xyz").labelled.labels["dipole"], expected, rtol=0, atol=1e-7)
    store = convert(tmp_path / "a.xyz", tmp_path / "a.h5", dipole_origin=origin)
    torch.testing.assert_close(store[[0, 1]].labels["dipole"], expected, rtol=0, atol=1e-7)


def test_the_origin_of_a_dipole_of_an_ion_is_asked_for(tmp_path):
    write_ions(tmp_path / "a.xyz", CENTERS["mass"])
    with pytest.raises(DataError, match=r"frame 0.*ion of charge 1.*\n.*dipole_origin.*mass"):
        read(tmp_path / "a.xyz")
    with pytest.raises(DataError, match="called 'center of mass'"):
        write_ions(tmp_path / "b.xyz", CENTERS["mass"], dipole_origin="center of mass")
        read(tmp_path / "b.xyz")
    with pytest.raises(SpecificationError, match="nuclear_charge"):
        parse(DataConfig, {"train": "a.xyz", "dipole_origin": "origin"})


def test_dipoles_of_neutral_molecules_have_no_origin(tmp_path):
    expected = write_ions(tmp_path / "a.xyz", CENTERS["coordinates"], charge=0.0)
    for origin in (None, *CENTERS):
        found = read(tmp_path / "a.xyz", dipole_origin=origin).labelled.labels["dipole"]
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-7)


def test_what_the_package_writes_states_the_origin(tmp_path):
    expected = write_ions(tmp_path / "a.xyz", CENTERS["mass"])
    write_extxyz(tmp_path / "b.xyz", read(tmp_path / "a.xyz", dipole_origin="mass"))
    torch.testing.assert_close(read(tmp_path / "b.xyz").labelled.labels["dipole"], expected, rtol=0, atol=1e-7)
    assert "dipole_origin" not in read(tmp_path / "b.xyz").summary.unread
    assert isinstance(convert(tmp_path / "b.xyz", tmp_path / "b.h5"), Store)
