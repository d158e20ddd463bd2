"""Spectra read from trajectories on the disk."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms

from atnn.dynamics import Langevin, State, Trajectory, VelocityVerlet, run
from atnn.errors import DataError
from atnn.observables import SpectrumSettings, trajectory_spectra, trajectory_spectrum
from atnn.structures import Structures
from atnn.units import acceleration, light_speed_cm_per_fs
from dynamics.analytic import Morse, Wells, single_atoms


@pytest.fixture(scope="module")
def oscillators(tmp_path_factory) -> Trajectory:
    """Single atoms in harmonic wells, kicked a little differently."""
    atoms = Structures.from_ase([Atoms("C", positions=[[0.0, 0.0, 0.0]])] * 3)
    velocities = torch.tensor([[0.01, 0, 0], [0, 0.02, 0], [0, 0, 0.015]], dtype=torch.float64)
    folder = tmp_path_factory.mktemp("wells") / "t"
    run(State.start(atoms, velocities), Wells(), VelocityVerlet(0.5), 8000, trajectory=folder, every=4)
    return Trajectory(folder)


@pytest.mark.parametrize("kind", ["infrared", "power"])
@pytest.mark.filterwarnings("ignore:trajectories of")
def test_the_line_is_where_the_oscillator_is(oscillators, kind):
    expected = np.sqrt(Wells().constant / 12.011 * acceleration) / (2 * np.pi * light_speed_cm_per_fs)
    found = trajectory_spectrum(oscillators, kind, 300.0, maximum=2000.0)
    assert found.peak() == pytest.approx(expected, abs=2.0)
    assert found.frequencies[-1] <= 2000 and len(found.error) == len(found.frequencies)


def test_different_structures_and_missing_dipoles_are_errors(tmp_path):
    mixed = Structures.from_ase([Atoms("CO", positions=np.eye(3)[:2]), Atoms("C", positions=[[0.0, 0.0, 0.0]])])
    run(State.start(mixed), Wells(), VelocityVerlet(0.5), 4, trajectory=tmp_path / "mixed")
    with pytest.raises(DataError, match="copies of one structure"):
        trajectory_spectrum(Trajectory(tmp_path / "mixed"), "power", 300.0)
    pair = Structures.from_ase(Atoms("CO", positions=np.eye(3)[:2]))
    run(State.start(pair), Morse(), VelocityVerlet(0.5), 20, trajectory=tmp_path / "bare", outputs=())
    with pytest.raises(DataError, match="no dipoles"):
        trajectory_spectrum(Trajectory(tmp_path / "bare"), "infrared", 300.0)


class Polarizable(Wells):
    """Atoms in wells that are stretched by the field along the direction in which they are."""

    outputs = frozenset({*Wells.outputs, "polarizability"})

    def __call__(self, structures, outputs):
        positions = structures.positions
        mean = 0.8 + 0.3 * positions.sum(1)
        return {**super().__call__(structures, outputs), "polarizability": mean[:, None, None] * torch.eye(3).double()}


@pytest.mark.filterwarnings("ignore:trajectories of")
def test_what_the_frames_lack_is_computed_along_them(oscillators):
    settings = SpectrumSettings(resolution=50.0, maximum=2000.0)
    with pytest.raises(DataError, match=r"no polarizabilities(.|\n)*--model"):
        trajectory_spectra(oscillators, ["raman"], settings)
    found = trajectory_spectra(oscillators, ["ir", "raman", "power"], settings, Polarizable())
    assert list(found.curves) == ["infrared", "raman", "power"] and list(found.curves["power"]) == ["intensity", "C"]
    kept = trajectory_spectra(oscillators, ["ir"], settings).curves["infrared"]["intensity"]
    anew = found.curves["infrared"]["intensity"]
    np.testing.assert_allclose(anew.intensity, kept.intensity, rtol=1e-3, atol=1e-3 * kept.intensity.max())
    raman = found.curves["raman"]
    assert raman["intensity"].peak(50.0) == pytest.approx(anew.peak(50.0), abs=2.0)
    assert raman["depolarised"].integral() < 1e-9 * raman["polarised"].integral()
    for curves in found.curves.values():
        low, high = curves["intensity"].interval(0.9)
        middle = curves["intensity"].intensity
        assert (low <= middle + 1e-9).all() and (middle <= high + 1e-9).all() and (low < high).any()


@pytest.mark.filterwarnings("ignore:trajectories of")
def test_a_liquid_absorbs_by_its_length_and_a_slab_has_a_surface(tmp_path):
    """alpha n of a liquid is the molar absorption over the molar volume; a molecule has no surface."""
    spectra = {}
    for name, pbc in (("molecule", False), ("liquid", True), ("slab", [True, True, False])):
        atoms = Structures.from_ase([Atoms("C", positions=[[0.0, 0.0, 0.0]], cell=[3.0, 4.0, 5.0], pbc=pbc)] * 2)
        start = State.start(atoms).replace(velocities=torch.tensor([[0.01, 0.02, 0.01], [0.02, 0.01, 0.03]]).double())
        run(start, Polarizable(), VelocityVerlet(0.5), 800, trajectory=tmp_path / name, every=4,
            outputs=("dipole", "polarizability"))  # fmt: skip
        spectra[name] = trajectory_spectrum(Trajectory(tmp_path / name), "ir", 300.0, resolution=100.0)
    assert [spectra[name].unit for name in spectra] == ["km/mol/cm^-1", "1/cm", "km/mol/cm^-1"]
    molar_volume = 60e-24 * 6.02214076e23  # cm^3
    np.testing.assert_allclose(
        spectra["liquid"].intensity, spectra["molecule"].intensity * 1e5 / molar_volume, rtol=1e-6, atol=1e-9
    )
    found = trajectory_spectrum(Trajectory(tmp_path / "slab"), "sfg", 300.0, resolution=100.0)
    # Sum-frequency goes as the infrared over w, which moves a line of the spread s by -s^2 / w.
    center, spread = spectra["slab"].peak(100.0), 100.0 / 2.355
    assert found.unit == "Angstrom^2/V"
    assert found.peak(100.0) == pytest.approx(center - spread**2 / center, abs=3.0)
    for name in ("molecule", "liquid"):
        with pytest.raises(DataError, match="no slab"):
            trajectory_spectrum(Trajectory(tmp_path / name), "sfg", 300.0, resolution=100.0)


@pytest.mark.filterwarnings("ignore:trajectories of")
def test_halves_of_a_steady_motion_are_alike_and_those_of_another_are_not(oscillators, tmp_path):
    settings = SpectrumSettings(resolution=100.0, maximum=2000.0)
    steady = trajectory_spectra(oscillators, ["power"], settings).convergence["power"]
    assert steady.overlap > 0.97
    start = State.start(single_atoms(2)).replace(velocities=torch.tensor([[0.05, 0, 0], [0.04, 0, 0]]).double())
    run(start, Wells(), Langevin(0.5, 0.0, 0.01), 1500, trajectory=tmp_path / "cold", every=4,
        generator=torch.Generator().manual_seed(0))  # fmt: skip
    assert trajectory_spectra(Trajectory(tmp_path / "cold"), ["power"], settings).convergence["power"].overlap < 0.2


def test_frames_too_far_apart_for_the_fastest_motion_are_an_error(tmp_path):
    start = State.start(single_atoms(2)).replace(velocities=torch.tensor([[0.05, 0, 0], [0.04, 0, 0]]).double())
    run(start, Wells(50.0), VelocityVerlet(0.5), 2000, trajectory=tmp_path / "t", every=40)  # 3395 cm^-1
    with pytest.raises(DataError, match=r"frames every 20 fs show motion up to 834 cm\^-1, but 100 %"):
        trajectory_spectrum(Trajectory(tmp_path / "t"), "power", 300.0)


def test_spectra_are_of_the_copies_that_ran_to_the_end(tmp_path):
    def far(state):
        return state.structures.positions[:, 0].abs() > 0.5

    start = State.start(single_atoms(3))
    velocities = torch.tensor([[0.01, 0, 0], [0.08, 0, 0], [0.02, 0, 0]]).double()  # the second goes too far
    start = start.replace(velocities=velocities)
    run(start, Wells(5.0), VelocityVerlet(0.5), 2000, every=4, trajectory=tmp_path / "all", stops={"far": far})
    run(start.select([0, 2]), Wells(5.0), VelocityVerlet(0.5), 2000, every=4, trajectory=tmp_path / "two")
    assert Trajectory(tmp_path / "all").whole.tolist() == [True, False, True]
    for kind in ("infrared", "power"):
        found, expected = (
            trajectory_spectrum(Trajectory(tmp_path / name), kind, 300.0, resolution=50.0) for name in ("all", "two")
        )
        np.testing.assert_allclose(found.intensity, expected.intensity, rtol=1e-12, atol=0)
    run(
        start.select([1]),
        Wells(5.0),
        VelocityVerlet(0.5),
        2000,
        every=4,
        trajectory=tmp_path / "one",
        stops={"far": far},
    )
    with pytest.raises(DataError, match="all trajectories ended before the run did"):
        trajectory_spectrum(Trajectory(tmp_path / "one"), "power", 300.0)


def test_the_origin_names_the_run_however_far_it_has_gone(oscillators, tmp_path):
    atoms = State.start(single_atoms(2))
    for steps in (40, 80):
        run(atoms, Wells(), VelocityVerlet(0.5), steps, trajectory=tmp_path / "t")
        origin = trajectory_spectrum(Trajectory(tmp_path / "t"), "power", 300.0, resolution=6000.0).origin
        if steps == 40:
            before = origin
    assert origin["run"] == before["run"] and origin["trajectory"] != before["trajectory"]
    assert Trajectory(tmp_path / "t").run != oscillators.run
