"""Energies in hartree that pass for eV, and polarizabilities in other units than declared."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from ase.data import atomic_numbers
from ase.formula import Formula

from atnn.errors import AtnnWarning, DataError
from atnn.reading import read
from atnn.reading.plausibility import FREE_ATOMS, LARGEST, SMALLEST
from atnn.units import bohr


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


WATER = {"Angstrom^3": 1.47, "bohr^3": 9.92, "e^2*Angstrom^2/eV": 0.1021}  # 1.47 Angstrom^3, experiment


def isotropic(size: float) -> str:
    return f'polarizability="{size} 0 0 0 {size * 1.05} 0 0 0 {size * 0.95}"'


@pytest.mark.parametrize("unit", ["Angstrom^3", "bohr^3"])
def test_a_polarizability_in_a_unit_that_nobody_declared_is_found_by_its_size_and_asked_for(water_file, unit):
    path = water_file(isotropic(WATER[unit]), isotropic(1.01 * WATER[unit]))
    with pytest.raises(DataError, match=rf"look like {unit.replace('^', '.')}[\s\S]*declare the unit") as error:
        read(path)
    assert f'"polarizability": "{unit}"' in str(error.value) and "water.xyz" in str(error.value)
    declared = read(path, units={"energy": "eV", "length": "Angstrom", "polarizability": unit})
    value = declared[[0]].labels["polarizability"][0]
    assert float(value.diagonal().mean()) == pytest.approx(WATER["e^2*Angstrom^2/eV"], rel=1e-3)


@pytest.mark.parametrize(
    ("declared", "true"), [("Angstrom^3", "bohr^3"), ("bohr^3", "Angstrom^3"), ("au", "Angstrom^3")]
)
def test_a_declared_unit_that_does_not_fit_is_pointed_out_and_obeyed(water_file, declared, true):
    path = water_file(isotropic(WATER[true]))
    with pytest.warns(
        AtnnWarning, match=rf"taken in {declared.replace('^', '.')}.* look like {true.replace('^', '.')}"
    ):
        data = read(path, units={"energy": "eV", "length": "Angstrom", "polarizability": declared})
    factor = {"Angstrom^3": 14.3996, "bohr^3": 14.3996 / bohr**3, "au": 14.3996 / bohr**3}[declared]
    assert float(data[[0]].labels["polarizability"][0, 0, 0]) == pytest.approx(WATER[true] / factor, rel=1e-4)


def test_units_of_energy_and_length_that_do_not_hold_for_the_polarizability_are_found(water_file):
    path = water_file("energy=-76.4 " + isotropic(WATER["Angstrom^3"]))
    with pytest.raises(DataError, match=r"taken in e\^2\*bohr\^2/hartree.*look like Angstrom\^3"):
        read(path, units={"energy": "hartree", "length": "bohr"})


def test_a_polarizability_with_the_sign_of_the_second_derivative_is_found(water_file):
    with pytest.raises(DataError, match=r"sign is that of the second derivative[\s\S]*change their sign"):
        read(water_file(isotropic(-WATER["e^2*Angstrom^2/eV"])))


# in the package's units; the last: three times too large for any molecule, but no unit makes it right
@pytest.mark.parametrize("size", [0.075, 0.1021, 0.2, 0.26])
def test_plausible_polarizabilities_pass(water_file, size):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(water_file(isotropic(size))).summary.labels["polarizability"].unit == "e^2*Angstrom^2/eV"


def test_anions_are_not_judged_and_cations_may_have_less(water_file):
    for charge, size in ((-1, 0.6), (1, 0.01)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read(water_file(f"charge={charge} {isotropic(size)}"))
    with pytest.raises(DataError, match="look like"):
        read(water_file(f"charge=1 {isotropic(1.0)}"))


def test_molecules_of_the_literature_lie_well_within_the_range():
    # experimental mean polarizabilities [bohr^3]: Hohm, J. Mol. Struct. 1054, 282 (2013)
    known = {"H2": 5.43, "N2": 11.74, "H2O": 9.92, "CH4": 17.24, "C6H6": 67.5, "CCl4": 69.2, "CS2": 55.4, "SF6": 30.0,
             "HF": 5.60, "SiH4": 31.9, "PH3": 30.9, "I2": 69.7}  # fmt: skip
    for formula, mean in known.items():
        numbers = Formula(formula).count()
        ratio = mean / sum(count * FREE_ATOMS[atomic_numbers[symbol]] for symbol, count in numbers.items())
        assert 1.5 * SMALLEST < ratio < LARGEST / 1.25, formula


def test_tensors_far_from_symmetric_are_refused_and_noise_is_counted(water_file):
    good, noisy = isotropic(0.1), 'polarizability="0.1 0.001 0 0 0.1 0 0 0 0.1"'
    with pytest.warns(AtnnWarning, match="polarizability of 2 frames was not symmetric and was symmetrised"):
        data = read(water_file(good, noisy, noisy, good))
    tensors = data[:].labels["polarizability"]
    assert torch.equal(tensors, tensors.transpose(1, 2)) and float(tensors[1, 0, 1]) == pytest.approx(5e-4)
    wrong = 'polarizability="0.1 0.03 0 0 0.1 0 0 0 0.1"'
    with pytest.raises(DataError, match=r"frame 1: 'polarizability' is not symmetric[\s\S]*nine in rows, or six as xx"):
        read(water_file(good, wrong))


def test_frames_without_a_tensor_are_counted_and_masked(water_file):
    with pytest.warns(AtnnWarning, match=r"1 of 3 frames have no polarizability[\s\S]*frame 1"):
        data = read(
            water_file(isotropic(0.1), "energy=-10.0", f"energy=-10.0 {isotropic(0.11)}"), keys={"energy": None}
        )
    assert data[:].masks["polarizability"].tolist() == [True, False, True]
    assert np.count_nonzero(data[:].labels["polarizability"][1].numpy()) == 0
