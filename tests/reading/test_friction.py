"""Friction labels: stated units, marked atoms."""

import numpy as np
import pytest
import torch

from atnn.errors import DataError
from atnn.reading import read

UNITS = {"energy": "eV", "length": "Angstrom", "friction": "au"}


def write(path, marks='adsorbate_indices="1"', tensor="1 0 0 0 2 0 0 0 3"):
    path.write_text(f'2\nProperties=species:S:1:pos:R:3 {marks} friction_tensor="{tensor}"\nCu 0 0 0\nH 0 0 2\n')
    return path


def write_hydroxyl(path, masses=("", "", "")):
    """OH above copper; the tensor couples all six coordinates."""
    columns = ":masses:R:1" if masses[0] else ""
    rows = "".join(
        f"{symbol} 0 0 {z} {mass}\n" for symbol, z, mass in zip(("Cu", "O", "H"), (0, 2, 3), masses, strict=True)
    )
    root = np.random.default_rng(0).normal(size=(6, 6))
    numbers = " ".join(map(repr, (root @ root.T).ravel().tolist()))
    head = f'Properties=species:S:1:pos:R:3{columns} adsorbate_indices="1 2" friction="{numbers}"'
    path.write_text(f"3\n{head}\n{rows}")
    return path, root @ root.T


def join(blocks):
    """The matrix [6, 6] of the blocks of two atoms."""
    return blocks.reshape(2, 2, 3, 3).swapaxes(1, 2).reshape(6, 6)


def test_friction_is_converted_from_the_stated_unit(tmp_path):
    found = read(write(tmp_path / "a.xyz"), units=UNITS)[[0]].labels["friction"]
    torch.testing.assert_close(found[0].diagonal() / found[0, 0, 0], torch.tensor([1.0, 2.0, 3.0]).double())
    assert float(found[0, 0, 0]) == pytest.approx(2.3505, rel=1e-3)


def test_friction_without_a_stated_unit_is_refused(tmp_path):
    with pytest.raises(DataError, match="unit of the friction"):
        read(write(tmp_path / "a.xyz"))


def test_friction_without_an_adsorbate_is_refused(tmp_path):
    with pytest.raises(DataError, match="no atom is marked"):
        read(write(tmp_path / "a.xyz", marks=""), units=UNITS)


def test_negative_friction_is_refused(tmp_path):
    with pytest.raises(DataError, match="eigenvalue -2"):
        read(write(tmp_path / "a.xyz", tensor="1 0 0 0 -2 0 0 0 3"), units=UNITS | {"friction": "eV*fs/Angstrom^2"})


# eV*fs/Angstrom^2 in one amu/ps: 1.66053906660e-27 kg / 1e-12 s over 1.602176634e-19 J * 1e-15 s / 1e-20 m^2.
AMU_PER_PS = 1.66053906660e-15 / 1.602176634e-14
WEIGHTS = np.repeat([15.999, 1.008], 3)


@pytest.mark.parametrize(("unit", "size"), [("1/ps", 1.0), ("ps^-1", 1.0), ("1/fs", 1e3)])
def test_rates_are_multiplied_by_the_masses(tmp_path, unit, size):
    path, rates = write_hydroxyl(tmp_path / "a.xyz")
    found = read(path, units={"friction": unit})
    expected = size * AMU_PER_PS * np.sqrt(np.outer(WEIGHTS, WEIGHTS)) * rates
    np.testing.assert_allclose(join(found[[0]].labels["friction"]), expected, rtol=1e-9)
    assert found.summary.labels["friction"].unit == unit


def test_rates_are_those_of_the_masses_that_a_file_states(tmp_path):
    path, rates = write_hydroxyl(tmp_path / "a.xyz", masses=("63.5", "16.0", "2.0"))
    found = read(path, units={"friction": "1/ps"})
    weights = np.repeat([16.0, 2.0], 3)
    expected = AMU_PER_PS * np.sqrt(np.outer(weights, weights)) * rates
    np.testing.assert_allclose(join(found[[0]].labels["friction"]), expected, rtol=1e-9)
    assert "masses" not in found.summary.unread
    plain = read(path, units={"friction": "eV*fs/Angstrom^2"})
    np.testing.assert_allclose(join(plain[[0]].labels["friction"]), rates, rtol=1e-12)
    assert "masses" in plain.summary.unread, "without mass-weighted values no mass is read"


def test_rates_of_atoms_without_mass_are_refused(tmp_path):
    path, _ = write_hydroxyl(tmp_path / "a.xyz", masses=("63.5", "16.0", "0.0"))
    with pytest.raises(DataError, match="a mass of 0 amu"):
        read(path, units={"friction": "1/ps"})


@pytest.mark.parametrize("unit", ["THz", "1/Angstrom", "eV", "1/ps^2"])
def test_other_units_are_refused_with_those_that_fit(tmp_path, unit):
    with pytest.raises(
        DataError, match=r"unknown unit .* for eV\*fs/Angstrom\^2.*[\s\S]*1/ps for mass-weighted values"
    ):
        read(write(tmp_path / "a.xyz"), units={"friction": unit})


def test_only_friction_may_be_mass_weighted(tmp_path):
    with pytest.raises(DataError, match="unknown unit '1/fs\\^2' for eV/Angstrom\\^2"):
        read(write(tmp_path / "a.xyz"), units={"friction": "1/ps", "hessian": "1/fs^2"})
