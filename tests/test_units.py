"""Conversion factors agree with ASE and with CODATA as SciPy has it."""

from __future__ import annotations

import ase.units
import numpy as np
import pytest
import scipy.constants as codata

from atnn import units
from references.loading import reference

# Editions of CODATA differ: ase.units holds 2014 (k_B by 3e-7), SciPy 2022, atnn 2018.
CODATA = 5e-9


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (units.hartree, ase.units.Hartree),
        (units.rydberg, ase.units.Rydberg),
        (units.bohr, ase.units.Bohr),
        (units.debye, ase.units.Debye),
        (units.kcal_per_mol, ase.units.kcal / ase.units.mol),
        (units.kJ_per_mol, ase.units.kJ / ase.units.mol),
        (units.boltzmann, ase.units.kB),
        (units.GPa, ase.units.GPa),
        (units.kbar, 1e3 * ase.units.bar),
        (units.inverse_cm, ase.units.invcm),
        (units.electron_mass, ase.units._me / ase.units._amu),
        (units.field_atomic_unit, ase.units.Hartree / ase.units.Bohr),
        (units.acceleration, ase.units.fs**2),
    ],
)
def test_agrees_with_ase(ours, theirs):
    assert ours == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (units.hartree, codata.value("Hartree energy in eV")),
        (units.bohr, codata.value("Bohr radius") * 1e10),
        (units.boltzmann, codata.value("Boltzmann constant in eV/K")),
        (units.atomic_time, codata.value("atomic unit of time") * 1e15),
        (units.hbar, codata.value("reduced Planck constant in eV s") * 1e15),
        (units.inverse_cm, codata.value("inverse meter-electron volt relationship") * 100),
        (units.coulomb, codata.e / (4 * np.pi * codata.epsilon_0) * 1e10),
        (units.e_bohr, codata.value("atomic unit of electric dipole mom.") / codata.e * 1e10),
        (units.field_atomic_unit, codata.value("atomic unit of electric field") * 1e-10),
        (units.amu_angstrom2_per_fs2, codata.atomic_mass * 1e10 / codata.e),
        (units.light_speed_cm_per_fs, codata.c * 1e-13),
        (units.electron_mass, codata.m_e / codata.atomic_mass),
    ],
)
def test_agrees_with_codata(ours, theirs):
    assert ours == pytest.approx(theirs, rel=CODATA)


def test_a_polarizability_volume_is_the_polarizability_over_the_coulomb_constant():
    helium = reference("helium_polarizability")
    atomic_unit = units.bohr**2 / units.hartree  # e^2 Angstrom^2 / eV
    found = helium["atomic_units"] * atomic_unit / units.angstrom3_polarizability
    assert found == pytest.approx(helium["volume"], abs=1e-4)


def test_an_oscillator_in_these_units_has_the_frequency_of_carbon_monoxide():
    molecule, mass = reference("carbon_monoxide"), 12 * 15.9949 / (12 + 15.9949)  # amu
    k = molecule["force_constant"] / codata.e * 1e-20  # eV / Angstrom^2
    omega = np.sqrt(k / mass * units.acceleration)  # rad / fs
    assert units.hbar * omega / units.inverse_cm == pytest.approx(molecule["wavenumber"], abs=2)


DIMENSIONS = [
    units.ENERGY, units.LENGTH, units.ENERGY / units.LENGTH, units.CHARGE, units.CHARGE * units.LENGTH,
    units.ENERGY / units.LENGTH**3, units.FIELD, units.ENERGY * units.TIME / units.LENGTH**2,
    units.CHARGE**2 * units.LENGTH**2 / units.ENERGY, units.CHARGE**2 * units.LENGTH / units.ENERGY,
]  # fmt: skip


@pytest.mark.parametrize("dimension", DIMENSIONS, ids=units.unit_of)
def test_every_listed_unit_converts(dimension):
    for unit in units.units_of(dimension):
        assert np.isfinite(units.factor(dimension, unit)) and units.factor(dimension, unit) > 0
    assert units.factor(dimension, units.unit_of(dimension)) == 1.0


def test_a_unit_may_be_a_product_of_named_ones():
    force = units.ENERGY / units.LENGTH
    assert units.factor(force, "kcal/mol/Angstrom") == pytest.approx(units.kcal_per_mol)
    assert units.factor(force, "hartree/bohr") == pytest.approx(units.hartree / units.bohr)
    assert units.factor(units.FIELD, "hartree/(e*bohr)") == pytest.approx(units.field_atomic_unit)
    assert units.factor(units.FIELD, "meV/e/Angstrom") == pytest.approx(1e-3)
    polarizability = (units.CHARGE * units.LENGTH) ** 2 / units.ENERGY
    assert units.factor(polarizability, "au") == pytest.approx(units.bohr**2 / units.hartree)
    assert units.factor(polarizability, "e^2*bohr^2*hartree^-1") == pytest.approx(units.bohr**2 / units.hartree)


def test_a_polarizability_may_be_a_volume():
    dipole, polarizability = units.CHARGE * units.LENGTH, (units.CHARGE * units.LENGTH) ** 2 / units.ENERGY
    assert units.factor(polarizability, "Angstrom^3") == pytest.approx(1 / 14.3996454, rel=1e-6)
    assert units.factor(polarizability, "bohr^3") == pytest.approx(units.factor(polarizability, "au"), rel=1e-9)
    assert {"Angstrom^3", "bohr^3"} <= set(units.units_of(polarizability))
    gradient = polarizability / units.LENGTH
    assert units.factor(gradient, "Angstrom^2") == pytest.approx(1 / 14.3996454, rel=1e-6)
    for dimension in (dipole, units.ENERGY, gradient):
        with pytest.raises(KeyError, match="unknown unit"):
            units.factor(dimension, "Angstrom^3")


@pytest.mark.parametrize(
    ("dimension", "unit"),
    [
        (units.ENERGY, "furlong"),
        (units.ENERGY, ""),
        (units.ENERGY, "eVV"),
        (units.ENERGY / units.LENGTH, "eV"),
        (units.ENERGY / units.LENGTH, "eV/eV"),
        (units.CHARGE * units.LENGTH, "eV"),
    ],
)
def test_an_unknown_unit_lists_the_known_ones(dimension, unit):
    with pytest.raises(KeyError, match="known: "):
        units.factor(dimension, unit)
