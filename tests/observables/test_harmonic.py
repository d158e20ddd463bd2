"""Normal modes agree with formulas and with independent programs."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.io import read
from ase.vibrations import Infrared, Vibrations
from scipy.spatial.transform import Rotation

from atnn.errors import DataError, DynamicsError
from atnn.observables import NormalModes, harmonic, match_modes, relax, write_modes
from atnn.observables.infrared import KM_PER_MOL
from atnn.structures import Structures
from atnn.units import acceleration, debye, light_speed_cm_per_fs
from dynamics.analytic import FromAse, Morse, Wells
from systems import ethanol, single_atom

MORSE = Morse()


def xtb() -> FromAse:
    from tblite.ase import TBLite

    return FromAse(TBLite(method="GFN2-xTB", accuracy=0.01, verbosity=0), dipole=True)


@pytest.fixture(scope="module")
def water() -> tuple[FromAse, Structures]:
    potential = xtb()
    return potential, relax(potential, Structures.from_ase(molecule("H2O")), fmax=1e-4)


def test_diatomic_has_the_frequency_and_intensity_of_the_formula():
    direction = np.array([2.0, -1.0, 0.5]) / np.linalg.norm([2.0, -1.0, 0.5])
    atoms = Atoms("NO", positions=[[1.0, 2.0, 3.0], [1.0, 2.0, 3.0] + MORSE.length * direction])
    modes = harmonic(MORSE, Structures.from_ase(atoms), displacement=0.002)
    mass = np.prod(atoms.get_masses()) / atoms.get_masses().sum()
    constant = 2 * MORSE.depth * MORSE.width**2
    expected = np.sqrt(constant / mass * acceleration) / (2 * np.pi * light_speed_cm_per_fs)
    assert modes.rigid == 5
    assert modes.frequencies == pytest.approx([expected], rel=1e-4)
    assert modes.intensities == pytest.approx([KM_PER_MOL * MORSE.charge**2 / mass], rel=1e-8)
    stretch = modes.displacements[0, 1] - modes.displacements[0, 0]
    assert abs(stretch @ direction) == pytest.approx(np.sqrt(1 / mass))
    assert modes.largest_force < 1e-10


def test_water_agrees_with_the_infrared_module_of_ase(water, tmp_path):
    potential, structures = water
    modes = harmonic(potential, structures)
    atoms = structures.to_ase()[0]
    atoms.calc = potential.calculator
    reference = Infrared(atoms, name=str(tmp_path / "ir"), delta=0.005)
    reference.run()
    assert modes.rigid == 6
    assert modes.frequencies == pytest.approx(reference.get_frequencies()[6:].real, abs=0.5)
    assert modes.intensities == pytest.approx(reference.intensities[6:] * KM_PER_MOL * debye**2, rel=5e-3)


def test_modes_are_written_with_units_and_every_digit(water, tmp_path):
    modes = harmonic(*water)
    written = json.loads(write_modes(tmp_path / "modes.json", modes).read_text())
    assert written["units"] == {
        "frequencies": "cm^-1",
        "intensities": "km/mol",
        "activities": "Angstrom^4/amu",
        "depolarizations": "1",
        "displacements": "amu^-1/2",
        "positions": "Angstrom",
        "masses": "amu",
        "energy": "eV",
        "largest_force": "eV/Angstrom",
    }
    for name in ("frequencies", "intensities", "displacements", "positions", "masses"):
        np.testing.assert_array_equal(written[name], getattr(modes, name))
    assert written["symbols"] == ["O", "H", "H"] and written["largest_force"] == modes.largest_force
    assert written["activities"] is None and written["depolarizations"] is None
    without = dataclasses.replace(modes, intensities=None)
    assert json.loads(write_modes(tmp_path / "modes.json", without).read_text())["intensities"] is None


def test_modes_are_written_as_table_and_as_frames_with_arrows(water, tmp_path):
    numbers = np.array([1.0, 2.0, 0.1 + 0.2])
    modes = dataclasses.replace(harmonic(*water), activities=numbers, depolarizations=np.array([0.1, np.nan, 0.75]))
    rows = write_modes(tmp_path / "modes.csv", modes).read_text().splitlines()
    assert rows[0].split(",") == [
        "mode",
        "frequencies [cm^-1]",
        "intensities [km/mol]",
        "activities [Angstrom^4/amu]",
        "depolarizations [1]",
    ]
    assert [float(row.split(",")[1]) for row in rows[1:]] == modes.frequencies.tolist()
    assert [row.split(",")[4] for row in rows[1:]] == ["0.1", "", "0.75"]
    frames = read(write_modes(tmp_path / "modes.xyz", modes), ":")
    for k, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.arrays["displacement"], modes.displacements[k])
        np.testing.assert_array_equal(frame.positions, modes.positions)
        assert frame.info["frequency"] == modes.frequencies[k] and frame.info["activity"] == numbers[k]
    assert "depolarization" not in frames[1].info and frames[2].info["depolarization"] == 0.75
    with pytest.raises(DataError, match=r"modes are not written as \.txt"):
        write_modes(tmp_path / "modes.txt", modes)


def test_linear_molecule_keeps_its_four_vibrations():
    potential = xtb()
    atoms = molecule("CO2")
    atoms.rotate(40, (1, 2, 0))
    modes = harmonic(potential, relax(potential, Structures.from_ase(atoms), fmax=1e-4))
    assert modes.rigid == 5
    bend, same, symmetric, asymmetric = modes.frequencies
    assert 500 < bend == pytest.approx(same, abs=0.5)
    assert bend < symmetric < asymmetric < 2700
    assert modes.intensities[2] < 1e-3 * modes.intensities[3]


def test_periodic_structures_lose_translations_only():
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.02, seed=1)
    structures = relax(FromAse(EMT()), Structures.from_ase(atoms), fmax=1e-4)
    modes = harmonic(FromAse(EMT()), structures)
    assert modes.rigid == 3
    assert len(modes.frequencies) == 9
    assert (modes.frequencies > 50).all()
    assert modes.intensities is None


def test_emt_molecule_agrees_with_the_vibrations_of_ase(tmp_path):
    atoms = Atoms("Cu3", positions=[[0, 0, 0], [2.3, 0, 0], [1.1, 2.0, 0]])
    structures = relax(FromAse(EMT()), Structures.from_ase(atoms), fmax=1e-5)
    modes = harmonic(FromAse(EMT()), structures)
    relaxed = structures.to_ase()[0]
    relaxed.calc = EMT()
    reference = Vibrations(relaxed, name=str(tmp_path / "vib"), delta=0.005)
    reference.run()
    assert modes.frequencies == pytest.approx(reference.get_frequencies()[6:].real, abs=0.1)


def test_unstable_direction_has_a_negative_frequency():
    """Three atoms in a row are a saddle of pair forces: the ends would fall together."""
    potential = Morse(width=1.0)
    lengths = np.linspace(0.9, 1.2, 3001)
    chains = Structures.from_ase([Atoms("N3", positions=np.outer([-1, 0, 1], [x, 0, 0])) for x in lengths[::50]])
    best = chains.select([int(potential(chains, ("energy",))["energy"].argmin())])
    modes = harmonic(potential, best)
    assert modes.rigid == 5
    assert (modes.frequencies[:2] < -100).all()
    assert (modes.frequencies[2:] > 100).all()


def test_modes_do_not_depend_on_place_orientation_or_batching(water):
    potential, structures = water
    turn = torch.as_tensor(Rotation.from_rotvec([0.3, -1.0, 2.0]).as_matrix())
    moved = structures.replace(positions=structures.positions @ turn.T + 4.0)
    one, other = harmonic(potential, structures), harmonic(potential, moved, atoms_at_once=20)
    assert one.frequencies == pytest.approx(other.frequencies, abs=0.5)
    assert one.intensities == pytest.approx(other.intensities, rel=5e-3)
    match = match_modes(one, other)
    assert match.order.tolist() == [0, 1, 2]
    assert match.overlaps == pytest.approx([1.0, 1.0, 1.0], abs=1e-4)


def test_heavier_isotopes_slow_the_vibrations(water):
    potential, structures = water
    light = harmonic(potential, structures)
    heavy = harmonic(potential, structures, masses=np.array([15.999, 2.014, 2.014]))
    ratio = np.prod(heavy.frequencies / light.frequencies)
    # Teller-Redlich product rule of bent XY2 (all three vibrations)
    masses, positions = light.masses, light.positions
    assert ratio == pytest.approx(product_rule(masses, heavy.masses, positions), rel=1e-3)


def product_rule(light: np.ndarray, heavy: np.ndarray, positions: np.ndarray) -> float:
    def moments(masses):
        arms = positions - masses @ positions / masses.sum()
        inertia = np.einsum("a,axy->xy", masses, np.einsum("ax,ax,yz->ayz", arms, arms, np.eye(3)))
        inertia -= np.einsum("a,ax,ay->xy", masses, arms, arms)
        return np.linalg.det(inertia) * masses.sum() ** 3

    return float(np.sqrt(np.prod(light**3 / heavy**3) * moments(heavy) / moments(light)))


def test_modes_are_matched_by_shape_and_not_by_order(water):
    potential, structures = water
    modes = harmonic(potential, structures)
    order = [2, 0, 1]
    shuffled = NormalModes(
        modes.frequencies[order],
        modes.intensities[order],
        -modes.modes[order],
        modes.positions,
        modes.numbers,
        modes.masses,
        modes.rigid,
        modes.largest_force,
    )
    match = match_modes(modes, shuffled)
    assert match.order.tolist() == [1, 2, 0]
    assert np.array_equal(shuffled.frequencies[match.order], modes.frequencies)


def test_modes_of_different_molecules_are_not_matched(water):
    potential, structures = water
    with pytest.raises(DataError, match="different structures"):
        match_modes(
            harmonic(potential, structures), harmonic(MORSE, Structures.from_ase(Atoms("NO", [[0] * 3, [1] * 3])))
        )


def test_an_atom_has_no_vibration():
    modes = harmonic(Wells(), Structures.from_ase(single_atom()))
    assert len(modes.frequencies) == len(modes.modes) == 0


def test_batches_are_refused():
    with pytest.raises(DataError, match="of one structure, not of 2"):
        harmonic(MORSE, Structures.from_ase([ethanol(), ethanol()]))


def test_relaxation_finds_the_minimum_of_each_structure():
    start = Structures.from_ase([Atoms("NO", positions=[[0, 0, 0], [0, 0, x]]) for x in (0.95, 1.3)])
    relaxed = relax(MORSE, start, fmax=1e-6)
    positions = relaxed.positions.reshape(2, 2, 3)
    assert (positions[:, 1] - positions[:, 0]).norm(dim=1).tolist() == pytest.approx([MORSE.length] * 2, abs=1e-6)


def test_relaxation_that_does_not_converge_says_so():
    start = Structures.from_ase(Atoms("NO", positions=[[0, 0, 0], [0, 0, 1.5]]))
    with pytest.raises(DynamicsError, match=r"structure 0 \(NO\): not relaxed in 2 steps"):
        relax(MORSE, start, steps=2)
