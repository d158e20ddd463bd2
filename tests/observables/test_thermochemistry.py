"""Free energies agree with tables, with ASE and with limits."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.thermochemistry import QuasiHarmonicThermo, RRHOMode

from atnn.errors import SpecificationError
from atnn.observables import NormalModes, thermochemistry
from atnn.observables.thermochemistry import MEAN_INERTIA
from atnn.units import ATOMIC_MASS_SI, boltzmann, inverse_cm, kJ_per_mol


def gas(atoms: Atoms, frequencies, rigid: int, spin: int = 0, **changes) -> NormalModes:
    lines = np.array(frequencies, dtype=float)
    shapes = np.zeros((len(lines), len(atoms), 3))
    values = {"energy": -10.0, "spin": spin} | changes
    return NormalModes(lines, None, shapes, atoms.positions, atoms.numbers, atoms.get_masses(), rigid, 0.0, **values)


# Geometries and frequencies of experiment; standard entropies from the NIST-JANAF tables at 298.15 K and 1 bar.
GASES = {
    "H2O": (gas(molecule("H2O"), [1594.7, 3657.1, 3755.9], 6), 188.83),
    "CO2": (gas(Atoms("OCO", [[-1.160, 0, 0], [0, 0, 0], [1.160, 0, 0]]), [667.4, 667.4, 1333, 2349.1], 5), 213.79),
    "N2": (gas(Atoms("N2", [[0, 0, 0], [0, 0, 1.0977]]), [2329.9], 5), 191.61),
    "O2": (gas(Atoms("O2", [[0, 0, 0], [0, 0, 1.2075]]), [1556.2], 5, spin=2), 205.15),
    "Ar": (gas(Atoms("Ar", [[0, 0, 0]]), [], 3), 154.85),
}


@pytest.mark.parametrize("name", GASES)
def test_entropies_of_gases_are_those_of_the_tables(name):
    modes, expected = GASES[name]
    found = thermochemistry(modes)
    assert 1e3 * found.entropy / kJ_per_mol == pytest.approx(expected, abs=0.3)
    assert found.free_energy == pytest.approx(found.enthalpy - 298.15 * found.entropy)
    zero_point = 0.5 * inverse_cm * modes.frequencies.sum()
    assert found.zero_point_energy == pytest.approx(zero_point)
    classical = boltzmann * 298.15 * {3: 2.5, 5: 3.5, 6: 4.0}[modes.rigid]
    assert found.enthalpy == pytest.approx(-10.0 + zero_point + classical, abs=0.008)  # and a little of soft modes


def test_pressure_and_symmetry_change_the_entropy_by_their_logarithms():
    modes, _ = GASES["H2O"]
    standard = thermochemistry(modes)
    assert standard.symmetry_number == 2
    tenth = thermochemistry(modes, pressure=0.1)
    assert tenth.entropy - standard.entropy == pytest.approx(boltzmann * np.log(10))
    assert thermochemistry(modes, symmetry=1).entropy - standard.entropy == pytest.approx(boltzmann * np.log(2))


@pytest.mark.parametrize("changes", [{"rigid": 0}, {"rigid": 3, "periodic": True}])
def test_what_is_bound_only_vibrates(changes):
    rigid = changes.pop("rigid")
    modes = gas(molecule("H2O"), [300.0, 900.0], rigid, **changes)
    found = thermochemistry(modes, 500.0, 7.0)
    x = inverse_cm * modes.frequencies / (boltzmann * 500)
    energy = -10 + boltzmann * 500 * (x / 2 + x / np.expm1(x)).sum()
    free = -10 + boltzmann * 500 * (x / 2 + np.log1p(-np.exp(-x))).sum()
    assert found.pressure is None and found.symmetry_number is None
    assert found.enthalpy == pytest.approx(energy) and found.free_energy == pytest.approx(free)


def test_low_frequencies_are_treated_as_in_ase():
    lines = np.array([15.0, 60.0, 140.0, 900.0])
    modes = gas(molecule("H2O"), lines, 0)
    plain, grimme, truhlar = (thermochemistry(modes, low=low) for low in ("harmonic", "grimme", "truhlar"))
    inertia = MEAN_INERTIA / (ATOMIC_MASS_SI * 1e-20)
    each = [RRHOMode(inverse_cm * line, inertia, tau=100.0).get_entropy(298.15, contributions=False) for line in lines]
    assert grimme.entropy == pytest.approx(sum(each), rel=1e-6) and grimme.enthalpy == plain.enthalpy
    raised = QuasiHarmonicThermo(inverse_cm * lines, -10.0, raise_to=100 * inverse_cm)
    assert truhlar.free_energy == pytest.approx(raised.get_helmholtz_energy(298.15, verbose=False))
    assert truhlar.entropy < plain.entropy and grimme.entropy < plain.entropy


def test_treatments_agree_where_no_frequency_is_low():
    modes, _ = GASES["H2O"]
    plain, grimme, truhlar = (thermochemistry(modes, low=low) for low in ("harmonic", "grimme", "truhlar"))
    assert grimme.free_energy == pytest.approx(plain.free_energy, abs=2e-5)
    assert truhlar.free_energy == plain.free_energy


def test_imaginary_modes_are_left_out_and_counted():
    with_one, without = gas(molecule("H2O"), [-400.0, 500.0], 0), gas(molecule("H2O"), [500.0], 0)
    assert thermochemistry(with_one).free_energy == pytest.approx(thermochemistry(without).free_energy)
    assert thermochemistry(with_one).imaginary == 1


@pytest.mark.parametrize("values", [{"temperature": 0.0}, {"pressure": -1.0}, {"symmetry": 0}])
def test_impossible_conditions_are_refused(values):
    with pytest.raises(SpecificationError, match="all must be positive"):
        thermochemistry(GASES["H2O"][0], **values)
