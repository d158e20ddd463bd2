"""Levels on grids are exact where formulas are, and perturbation theory agrees with them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule

from atnn.errors import AtnnWarning, DataError
from atnn.observables import harmonic, isotope_masses, vibrational_levels, vpt2
from atnn.observables.anharmonic import radau_coordinates
from atnn.observables.dvr import kinetic_constant, legendre_grid, sinc_grid, sinc_kinetic
from atnn.structures import Structures
from atnn.units import acceleration, hbar, inverse_cm
from dynamics.analytic import Morse
from observables.bonds import Bonds, bent

MORSE = Morse()
DIATOMIC = Atoms("NO", positions=[[1.0, 2.0, 3.0], [1.0, 2.0, 3.0 + MORSE.length]])


def morse_levels(mass: float, count: int) -> np.ndarray:
    quantum = hbar * MORSE.width * np.sqrt(2 * MORSE.depth * acceleration / mass)
    n = np.arange(count) + 0.5
    return (quantum * n - (quantum * n) ** 2 / (4 * MORSE.depth)) / inverse_cm


@pytest.mark.parametrize("masses", [None, np.array([14.003, 15.995]), np.array([1.008, 15.995])])
def test_levels_of_a_morse_oscillator_are_exact(masses):
    found = vibrational_levels(MORSE, Structures.from_ase(DIATOMIC), masses=masses, count=6, ceiling=12.0)
    both = DIATOMIC.get_masses() if masses is None else masses
    expected = morse_levels(both.prod() / both.sum(), 7)
    assert found.zero_point == pytest.approx(expected[0], abs=1e-3)
    assert found.frequencies == pytest.approx(expected[1:] - expected[0], abs=1e-2)


def test_a_box_has_the_levels_of_an_oscillator_on_the_sinc_grid():
    points = sinc_grid(-1.0, 1.0, 5.0, 3.0)
    energies = np.linalg.eigvalsh(sinc_kinetic(points, 5.0) + np.diag(0.5 * 20.0 * points**2))[:4]
    assert energies == pytest.approx(hbar * np.sqrt(20.0 / 5.0 * acceleration) * (np.arange(4) + 0.5), rel=1e-8)


def test_angular_momentum_on_the_legendre_grid_is_that_of_a_rotor():
    _, momentum = legendre_grid(20)
    assert np.linalg.eigvalsh(momentum) == pytest.approx([k * (k + 1) for k in range(20)], abs=1e-9)


def test_radau_coordinates_lead_to_the_same_geometry_and_a_kinetic_energy_without_cross_terms():
    start, masses = bent().positions.numpy(), np.array([15.999, 1.008, 2.014])
    radau = radau_coordinates(start, masses)
    coordinates = np.array(radau.lengths(start))

    def place(values):
        placed = radau.positions(*map(np.asarray, values))
        return placed - masses @ placed / masses.sum()

    distances = [np.linalg.norm(x[:, None] - x[None], axis=2) for x in (place(coordinates), start)]
    np.testing.assert_allclose(*distances, atol=1e-12)
    r1, r2, cosine = coordinates
    steps = 1e-5 * np.eye(3)
    slopes = np.array([(place(coordinates + s) - place(coordinates - s)) / 2e-5 for s in steps])
    # Remove the rotation that comes with each step: only the rest is vibration.
    arms = place(coordinates)
    turns = np.array([np.cross(axis, arms) for axis in np.eye(3)])
    metric = np.einsum("aij,i,bij->ab", slopes, masses, slopes)
    mixed = np.einsum("aij,i,bij->ab", slopes, masses, turns)
    inertia = np.einsum("aij,i,bij->ab", turns, masses, turns)
    inverse = np.linalg.inv(metric - mixed @ np.linalg.solve(inertia, mixed.T))
    m1, m2 = masses[radau.order[:2]]
    bend = (1 - cosine**2) * (1 / (m1 * r1**2) + 1 / (m2 * r2**2))
    np.testing.assert_allclose(inverse, np.diag([1 / m1, 1 / m2, bend]), atol=1e-6)


def test_heavy_molecules_are_harmonic():
    masses = 1e3 * np.array([15.999, 1.008, 1.008])
    modes = harmonic(Bonds(), bent(), masses=masses, displacement=1e-3)
    found = vibrational_levels(Bonds(), bent(), masses=masses, count=1, ceiling=0.1)
    assert found.frequencies[0] == pytest.approx(modes.frequencies[0], rel=2e-3)
    assert found.zero_point == pytest.approx(0.5 * modes.frequencies.sum(), rel=2e-3)


@pytest.fixture(scope="module")
def water():
    return vibrational_levels(Bonds(), bent(), count=6)


def test_levels_on_the_grid_are_converged(water):
    finer = vibrational_levels(Bonds(), bent(), count=6, points=(12, 15), ceiling=5.0)
    assert water.zero_point == pytest.approx(finer.zero_point, abs=0.05)
    assert water.frequencies == pytest.approx(finer.frequencies, abs=0.2)


def test_perturbation_theory_agrees_with_the_grid(water):
    """Fundamentals of water on one surface: bend, symmetric and asymmetric stretch are levels 1, 3 and 4."""
    modes = harmonic(Bonds(), bent())
    constants = vpt2(Bonds(), bent(), modes)
    assert constants.frequencies == pytest.approx(water.frequencies[[0, 2, 3]], abs=2.5)
    assert constants.level([2, 0, 0]) == pytest.approx(water.frequencies[1], abs=5.0)
    shifts = modes.frequencies - water.frequencies[[0, 2, 3]]
    assert (shifts > [20, 150, 150]).all()  # so that the agreement says something
    assert np.allclose(constants.constants, constants.constants.T)


def test_a_resonance_of_the_bend_with_a_stretch_is_counted():
    masses = isotope_masses(bent().numbers.numpy(), {"D": [1]})
    weak, strong = Bonds(), Bonds(coupling=-3.0)
    modes = harmonic(weak, bent(), masses=masses)
    assert 0 < 2 * modes.frequencies[0] - modes.frequencies[1] < 200
    vpt2(weak, bent(), modes)  # they are near, but hardly interact
    with pytest.warns(AtnnWarning, match=r"1 resonances of modes \(1\+1=2\)"):
        vpt2(strong, bent(), harmonic(strong, bent(), masses=masses))


def test_isotopologues_have_levels_of_their_own():
    masses = isotope_masses(bent().numbers.numpy(), {"D": "all"})
    constants = vpt2(Bonds(), bent(), harmonic(Bonds(), bent(), masses=masses))
    found = vibrational_levels(Bonds(), bent(), masses=masses, count=4, points=(9, 12))
    assert constants.frequencies == pytest.approx(found.frequencies[[0, 2, 3]], abs=2.5)


def test_levels_do_not_depend_on_place_orientation_or_batching(water):
    moved = bent().replace(positions=bent().positions.flip(1) + 2.0)
    found = vibrational_levels(Bonds(), moved, count=6, points=(10, 13), atoms_at_once=500)
    assert found.frequencies == pytest.approx(water.frequencies, abs=0.1)


def test_a_linear_molecule_bends_in_pairs_of_quanta():
    """Without rotation only even quanta of the bend are there, and the harmonic bend is their half."""

    class Linear(Bonds):
        def energy(self, positions):
            a, b = positions[1] - positions[0], positions[2] - positions[0]
            ra, rb = a.norm(), b.norm()
            return 40 * ((ra - 1.2) ** 2 + (rb - 1.2) ** 2) + 3.0 * (1 + a @ b / (ra * rb))

    start = Structures.from_ase(Atoms("CO2", positions=[[0, 0, 0], [1.2, 0, 0], [-1.2, 0, 0]]))
    masses = 30 * start.to_ase()[0].get_masses()  # so heavy that the vibrations are harmonic
    modes = harmonic(Linear(), start, masses=masses, displacement=1e-3)
    found = vibrational_levels(Linear(), start, masses=masses, count=1, ceiling=0.5)
    assert modes.rigid == 5 and modes.frequencies[0] == pytest.approx(modes.frequencies[1], rel=1e-3)
    assert found.frequencies[0] == pytest.approx(2 * modes.frequencies[0], rel=0.01)


def test_a_hole_in_the_surface_is_found():
    class Hollow(Morse):
        def __call__(self, structures, outputs):
            found = super().__call__(structures, outputs)
            lengths = (structures.positions[1::2] - structures.positions[::2]).norm(dim=1)
            found["energy"] = torch.where(lengths < 0.9, -50.0, found["energy"])
            return found

    with pytest.raises(DataError, match="falls by 46 eV below the start"):
        vibrational_levels(Hollow(), Structures.from_ase(DIATOMIC))


def test_what_has_no_grid_or_no_constants_is_refused():
    with pytest.raises(DataError, match="two or three atoms"):
        vibrational_levels(MORSE, Structures.from_ase(molecule("CH4")))
    fielded = Structures.from_ase(DIATOMIC).replace(field=torch.tensor([[0.0, 0.0, 0.1]], dtype=torch.float64))
    with pytest.raises(DataError, match="field"):
        vibrational_levels(MORSE, fielded)
    diatomic = Structures.from_ase(DIATOMIC)
    with pytest.raises(DataError, match="not linear"):
        vpt2(MORSE, diatomic, harmonic(MORSE, diatomic))


def test_the_kinetic_constant_of_an_electron_is_half_a_hartree_times_bohr_squared():
    assert kinetic_constant(5.48579909065e-4) == pytest.approx(0.5 * 27.211386245988 * 0.529177210903**2, rel=1e-8)
