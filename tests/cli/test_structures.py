"""Relaxing and labelling from files to files, normal modes as JSON, and what a model file tells."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.constraints import FixAtoms
from ase.io import read, write
from typer.testing import CliRunner

from atnn import progress
from atnn.cli import app
from atnn.data import Frames
from atnn.errors import DataError, DynamicsError, LabellingError
from atnn.labelling import LabellerPotential, TbliteLabeller
from atnn.model import ModelPotential, load_model, save_model
from atnn.structures import Structures
from atnn.training import train
from training.runs import config, labelled


def run(*arguments):
    result = CliRunner().invoke(app, [str(a) for a in arguments], terminal_width=120, env={"COLUMNS": "120"})
    assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"
    return result.output


def fails(*arguments):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 1
    return result.exception


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    weights = {"energy": 0.1, "forces": 1.0, "dipole": 1.0}
    settings = config(folder, ("energy", "dipole"), epochs=8, weights=weights)
    train(settings, {"train": Frames(labelled(24, dipole=True))})
    water = molecule("H2O")
    water.info["charge"] = 0.0
    rattled = water.copy()
    rattled.positions += np.random.default_rng(1).normal(scale=0.03, size=(3, 3))
    write(folder / "start.xyz", [water, rattled])
    return folder


def test_relax_tells_how_far_it_is(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "FIRST", 0.0)
    start = ["relax", str(trained / "model.atnn"), str(trained / "start.xyz"), "--output", str(tmp_path / "r.xyz")]
    result = CliRunner().invoke(app, [*start, "--json"])
    assert "relaxation of 2 structures: structure 0 of 2" in result.stderr and "eV/Angstrom left" in result.stderr
    assert json.loads(result.stdout)["structures"] == [0, 1]
    assert "relaxation" not in CliRunner().invoke(app, [*start, "--quiet"]).stderr


def test_relax_writes_minima_with_energies_and_forces(trained, tmp_path):
    output = run("relax", trained / "model.atnn", trained / "start.xyz", "--output", tmp_path / "relaxed.xyz")
    assert "largest force left [eV/Å]" in output and "(2 of 2 structures)" in output
    potential = ModelPotential(load_model(trained / "model.atnn").double())
    before = potential(Structures.from_ase(read(trained / "start.xyz", ":")), ("energy",))["energy"]
    frames = read(tmp_path / "relaxed.xyz", ":")
    assert len(frames) == 2
    for frame, start in zip(frames, before.tolist(), strict=True):
        there = potential(Structures.from_ase(frame), ("energy", "forces"))
        assert frame.get_potential_energy() == pytest.approx(float(there["energy"]), abs=1e-9)
        assert frame.get_potential_energy() < start
        assert np.linalg.norm(frame.get_forces(), axis=1).max() < 1e-3
        assert f"{frame.get_potential_energy():.6f}" in output and f"{start:.6f}" in output


def test_relax_leaves_fixed_atoms_where_they_are(trained, tmp_path):
    atoms = read(trained / "start.xyz", "1")
    atoms.set_constraint(FixAtoms([1]))
    write(tmp_path / "fixed.xyz", atoms)
    output = run("relax", trained / "model.atnn", tmp_path / "fixed.xyz", "--output", tmp_path / "relaxed.xyz")
    found = read(tmp_path / "relaxed.xyz")
    moved = np.linalg.norm(found.positions - atoms.positions, axis=1)
    assert moved[1] < 1e-7 and moved[0] > 1e-4 and found.constraints[0].index.tolist() == [1]
    left = np.linalg.norm(found.get_forces(), axis=1).max()  # that of the fixed atom is no force to be relaxed
    assert f"{left:.2g} " in output and left < 1e-3


def test_relax_names_what_did_not_converge_and_writes_the_rest(trained, tmp_path):
    at_rest = tmp_path / "relaxed.xyz"
    run("relax", trained / "model.atnn", trained / "start.xyz", "--output", at_rest)
    rest = read(at_rest, "0")
    rest.calc = None
    write(tmp_path / "mixed.xyz", [rest, read(trained / "start.xyz", "1")])
    arguments = ["relax", trained / "model.atnn", tmp_path / "mixed.xyz", "--steps", 1, "--fmax", 2e-3]
    output = run(*arguments, "--output", tmp_path / "some.xyz")
    assert "failed: structure 1 of" in output and "not relaxed in 1 steps" in output and "(1 of 2" in output
    assert len(read(tmp_path / "some.xyz", ":")) == 1
    write(tmp_path / "one.xyz", read(trained / "start.xyz", "1"))
    error = fails("relax", trained / "model.atnn", tmp_path / "one.xyz", "--steps", 1, "--output", tmp_path / "no.xyz")
    assert isinstance(error, DynamicsError) and "--steps" in error.remedy and not (tmp_path / "no.xyz").exists()


@pytest.mark.parametrize("command", ["relax", "modes"])
@pytest.mark.parametrize("name", ["start.xyz", "none/relaxed.xyz", "."])
def test_an_output_that_cannot_be_is_refused_before_the_work(trained, name, command):
    before = (trained / "start.xyz").read_bytes()
    error = fails(command, trained / "model.atnn", trained / "start.xyz", "--output", trained / name)
    assert isinstance(error, DataError) and error.remedy and str(trained / name) in error.where
    assert (trained / "start.xyz").read_bytes() == before


def test_label_computes_once_keeps_charge_and_spin_and_names_failures(tmp_path):
    frames = [molecule("H2O"), Atoms("Fr", positions=np.zeros((1, 3))), molecule("H2O")]  # GFN2 lacks francium
    for frame, charge, spin in zip(frames, (0.0, 0.0, 1.0), (0, 1, 1), strict=True):
        frame.info |= {"charge": charge, "spin": spin}
    write(tmp_path / "all.xyz", frames)
    arguments = ["label", tmp_path / "all.xyz", "--store", tmp_path / "labels.db", "--workers", 0]
    output = run(*arguments, "--output", tmp_path / "labelled.xyz")
    assert f"computed 3, taken from {tmp_path / 'labels.db'} 0, failed 1" in output.replace("\n", "")
    assert "failed: structure 1 (Fr) of" in output and "(2 of 3 structures)" in output.replace("\n", "")
    again = run(*arguments, "--output", tmp_path / "again.xyz")
    assert "computed 0, taken from" in again and "3, failed 1" in again
    assert (tmp_path / "again.xyz").read_bytes() == (tmp_path / "labelled.xyz").read_bytes()
    frames = read(tmp_path / "labelled.xyz", ":")
    direct = LabellerPotential(TbliteLabeller())
    for frame in frames:
        there = direct(Structures.from_ase(frame), ("energy",))["energy"]
        assert frame.get_potential_energy() == pytest.approx(float(there), abs=1e-9)
    assert frames[1].info["charge"] == 1 and frames[1].info["spin"] == 1
    assert frames[1].get_potential_energy() - frames[0].get_potential_energy() > 5  # an ionisation, in eV


@pytest.mark.parametrize(
    ("method", "hint"),
    [
        ("GFN2-xbt", "did you mean `GFN2-xTB`?"),
        ("pbee/def2-svp", "did you mean `PBE`?"),
        ("pbe/def2-svpp", "did you mean `def2svp`?"),
    ],
)
def test_an_unknown_method_is_refused_before_anything_is_stored(tmp_path, monkeypatch, method, hint):
    monkeypatch.chdir(tmp_path)
    write("water.xyz", molecule("H2O"))
    error = fails("label", "water.xyz", "--method", method)
    assert isinstance(error, LabellingError) and hint in error.remedy
    assert not (tmp_path / "labels.db").exists()


def test_modes_are_written_with_their_units(trained, tmp_path):
    path = tmp_path / "modes.json"
    run("modes", trained / "model.atnn", trained / "start.xyz", "--output", path)
    modes = json.loads(path.read_text())
    assert modes["units"]["frequencies"] == "cm^-1" and modes["units"]["intensities"] == "km/mol"
    assert modes["symbols"] == ["O", "H", "H"] and len(modes["frequencies"]) == len(modes["intensities"])
    moved, masses = np.array(modes["displacements"]), np.array(modes["masses"])
    assert (moved**2 * masses[:, None]).sum((1, 2)) == pytest.approx(
        np.ones(len(moved))
    )  # amu^-1/2: a mass-weighted unit
    assert np.abs((moved * masses[:, None]).sum(1)).max() < 1e-6  # the center of mass rests
    assert modes["largest_force"] < 1e-3


def test_info_shows_errors_data_and_ranges_before_the_json(trained):
    output = run("info", trained / "model.atnn")
    parts = ["Errors on the validation data", "Training data", "shortest distances [Å]", "specification", '"name"']
    places = [output.index(part) for part in parts]
    assert places == sorted(places)
    recorded = load_model(trained / "model.atnn").provenance["validation_errors"]
    assert set(recorded) == {"energy_per_atom", "forces", "dipole"}
    assert f"{1000 * recorded['forces']:.3g}" in output and "meV/Å" in output and "meV/atom" in output
    assert "3 to 9" in output and "18" in output  # atoms of a structure, structures


def test_info_shows_whatever_record_a_model_carries(trained, tmp_path):
    model = load_model(trained / "model.atnn")
    model.provenance = {"ranges": [1], "validation_errors": {"zzz": None, "forces": "[red]"}, "note": "[bold]"}
    save_model(tmp_path / "odd.atnn", model)
    output = run("info", tmp_path / "odd.atnn")
    assert "[red]" in output and "[bold]" in output and "zzz" in output
    model.provenance = {}
    save_model(tmp_path / "bare.atnn", model)
    assert "specification" in run("info", tmp_path / "bare.atnn")
