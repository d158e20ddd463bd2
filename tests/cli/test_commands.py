"""The command line: every command does its job from files to files, and explains itself and its errors."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from ase.build import molecule
from ase.io import read, write
from typer.testing import CliRunner

from atnn.archives import hash_file
from atnn.cli import app, main
from atnn.data import write_extxyz
from atnn.dynamics import Trajectory
from atnn.model import hash_model, load_model
from atnn.reading import open_dataset
from training.runs import labelled

COMMANDS = ["init", "train", "eval", "info", "md", "spectrum", "modes", "relax", "label", "report", "schema", "demo"]
COMMANDS += ["import", "data get", "data inspect", "data convert", "data split"]
CONFIG = """
data: {{train: {folder}/data.xyz, validation: 4, test: 4}}
model:
  representation: {{name: reann, cutoff: 4.0, channels: 2, rounds: 1, hidden: [8], densities: 6}}
  outputs: [energy, dipole]
  hidden: [8]
training: {{epochs: {epochs}, batch_size: 5, weights: {{energy: 0.1, forces: 1, dipole: 1}}}}
output: {folder}/run
"""


def run(*arguments):
    result = CliRunner().invoke(app, [str(a) for a in arguments], terminal_width=100)
    assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"
    return result.output


def fails(capsys, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["atnn", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    return capsys.readouterr().err


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    write_extxyz(folder / "data.xyz", labelled(24, dipole=True))
    write(folder / "start.xyz", molecule("H2O"))
    (folder / "config.yaml").write_text(CONFIG.format(folder=folder, epochs=3))
    output = run("train", folder / "config.yaml")
    assert "Errors on the validation data" in output and "Errors on the test data" in output
    return folder


def test_help_takes_no_heavy_import():
    heavy = ("torch", "ase", "plotly", "numpy", "scipy", "pyscf", "pydantic", "h5py")
    script = f"import sys, atnn.cli; print([m for m in {heavy!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_one_screen_and_shows_an_example(command):
    text = run(*command.split(), "--help")
    assert len(text.splitlines()) <= 60 and "Example" in text


def test_version_is_printed():
    assert run("--version").strip().count(".") == 2


def test_init_writes_a_configuration_and_keeps_an_existing_one(tmp_path, capsys, monkeypatch):
    run("init", tmp_path / "c.yaml")
    assert "learning_rate" in (tmp_path / "c.yaml").read_text()
    assert "the file exists" in fails(capsys, monkeypatch, "init", tmp_path / "c.yaml")
    run("init", tmp_path / "c.yaml", "--force")


def test_training_again_takes_what_is_there(trained):
    before = (trained / "run" / "model.atnn").read_bytes()
    run("train", trained / "config.yaml")
    assert (trained / "run" / "model.atnn").read_bytes() == before


def test_eval_prints_errors_and_writes_a_report(trained):
    output = run("eval", trained / "run" / "model.atnn", trained / "data.xyz", "--report", trained / "e.html")
    assert "forces" in output and "dipole" in output and "meV/Å" in output
    assert "Errors" in (trained / "e.html").read_text(encoding="utf-8")


def test_info_tells_what_a_model_is(trained):
    output = run("info", trained / "run" / "model.atnn")
    assert "H C O" in output and "reann" in output and "seed" in output and "reference energies [eV]" in output


def test_report_of_a_training_is_one_page(trained):
    run("report", trained / "run")
    page = (trained / "run" / "report.html").read_text(encoding="utf-8")
    assert "Errors on the test data" in page and 'src="http' not in page


def test_dynamics_and_its_spectra(trained, monkeypatch):
    monkeypatch.chdir(trained)
    arguments = ["md", "run/model.atnn", "start.xyz", "--copies", 2, "--steps", 60, "--no-compile", "--temperature", 1]
    output = run(*arguments, "--output", "nve.traj", "--timestep", 0.2)
    assert "drift" in output
    run(*arguments, "--integrator", "langevin", "--outputs", "forces", "--output", "nvt.traj", "--timestep", 0.2)
    assert "forces" in Trajectory(trained / "nvt.traj").quantities
    for kind in ("infrared", "power"):
        run(
            "spectrum", "nve.traj", "--kind", kind, "--resolution", 6000, "--output", f"{kind}.html", "--temperature", 1
        )
        numbers = np.genfromtxt(f"{kind}.csv", delimiter=",", skip_header=1)
        columns = 3 if kind == "infrared" else 7  # the power spectrum of both elements, too
        assert numbers.shape[1] == columns and np.isfinite(numbers).all() and (trained / f"{kind}.html").exists()


def test_several_spectra_at_once_with_a_dipole_computed_anew(trained, capsys, monkeypatch):
    monkeypatch.chdir(trained)
    model = trained / "run" / "model.atnn"
    start = ["md", model, "start.xyz", "--steps", 60, "--every", 2, "--no-compile", "--temperature", 1]
    run(*start, "--timestep", 0.2, "--output", "forces.traj", "--outputs", "forces")
    spectrum = ["spectrum", "forces.traj", "--kind", "ir,power", "--resolution", 6000, "--temperature", 1]
    message = fails(capsys, monkeypatch, *spectrum)
    assert "holds no dipoles" in message and "--model" in message
    output = run(*spectrum, "--model", model, "--output", "two.html")
    assert "two-infrared.csv, two-power.csv" in output.replace("\n", " ")
    record = json.loads((trained / "two.json").read_text())
    assert record["origin"]["surfaces"] == record["origin"]["potential"] == hash_model(load_model(model))
    for name in ("infrared", "power"):
        assert record["numbers"][name]["hash"] == hash_file(trained / f"two-{name}.csv")
        assert 0 <= record["results"][name]["overlap"] <= 1
    page = (trained / "two.html").read_text(encoding="utf-8")
    assert "Infrared spectrum" in page and "Power spectrum" in page and "Convergence with length" in page
    run(*start, "--timestep", 0.2, "--output", "dipole.traj")
    run("spectrum", "dipole.traj", *spectrum[4:], "--output", "one.html")
    anew, kept = (np.genfromtxt(f"{name}.csv", delimiter=",", skip_header=1) for name in ("two-infrared", "one"))
    np.testing.assert_allclose(anew[:, 1], kept[:, 1], rtol=1e-2)
    message = fails(capsys, monkeypatch, *spectrum, "--kind", "raman", "--model", model)
    assert "holds no polarizabilities" in message and "the model gives none" in message
    assert "no spectrum is called 'ramam'" in fails(capsys, monkeypatch, *spectrum, "--kind", "ramam")
    run("modes", model, "start.xyz", "--output", "basis.json")
    run(*spectrum, "--kind", "power", "--modes", "basis.json", "--output", "by-mode.html")
    assert "other motion" in (trained / "by-mode.csv").read_text().splitlines()[0]
    told = json.loads((trained / "by-mode.json").read_text())["settings"]["modes"]
    assert told == {"file": "basis.json", "hash": hash_file(trained / "basis.json")}


def test_dynamics_exports_its_trajectory_and_replaces_nothing_that_it_reads(trained, capsys, monkeypatch):
    monkeypatch.chdir(trained)
    start = ["md", "run/model.atnn", "start.xyz", "--copies", 2, "--no-compile", "--temperature", 1, "--timestep", 0.2]
    for steps in (4, 8):  # begun, and gone on with
        run(*start, "--steps", steps, "--output", "new/e.traj", "--format", "extxyz")
        frames = read("new/e.xyz", ":")
        assert len(frames) == 2 * (steps // 4 + 1)
    last = Trajectory(trained / "new" / "e.traj").read("positions")[-1]
    assert np.allclose(np.concatenate([frames[2].positions, frames[5].positions]), last, atol=1e-7)
    before = (trained / "start.xyz").read_bytes()
    message = fails(capsys, monkeypatch, *start, "--output", "start.traj", "--format", "extxyz")
    assert "start.xyz: is also read by this command" in message and not (trained / "start.traj").exists()
    assert (trained / "start.xyz").read_bytes() == before


def test_results_say_what_made_them_and_are_not_replaced_by_others(trained, capsys, monkeypatch):
    monkeypatch.chdir(trained)
    model = trained / "run" / "model.atnn"
    start = ["md", model, "start.xyz", "--steps", 60, "--no-compile", "--temperature", 1, "--timestep", 0.2, "--seed"]
    for seed in (1, 2):
        run(*start, seed, "--output", f"{seed}.traj")
    spectrum = ["spectrum", "1.traj", "--resolution", 6000, "--temperature", 1, "--output", "ir.html"]
    run(*spectrum)
    record = json.loads((trained / "ir.json").read_text())
    assert record["origin"]["trajectory"] == Trajectory(trained / "1.traj").hash
    assert record["origin"]["potential"] == hash_model(load_model(model))
    assert record["settings"]["kind"] == "infrared" and record["settings"]["temperature"] == 1
    assert record["numbers"] == {"file": "ir.csv", "hash": hash_file(trained / "ir.csv")}
    run(*spectrum, "--kind", "power")  # of the same run
    before = (trained / "ir.csv").read_bytes()
    spectrum[1] = "2.traj"
    assert "another origin" in fails(capsys, monkeypatch, *spectrum)
    assert (trained / "ir.csv").read_bytes() == before
    run("modes", model, "start.xyz", "--output", "modes.json")
    assert json.loads((trained / "modes.json").read_text())["origin"]["potential"] == record["origin"]["potential"]
    spectrum[-1] = "modes.html"  # whose record would be the file with the modes
    assert "is not of the kind atnn-spectrum" in fails(capsys, monkeypatch, *spectrum)
    spectrum[-1] = "modes.json"
    assert "page is HTML" in fails(capsys, monkeypatch, *spectrum)


def test_harmonic_frequencies_of_water(trained):
    output = run("modes", trained / "run" / "model.atnn", trained / "start.xyz")
    assert "frequency [cm⁻¹]" in output and "intensity [km/mol]" in output


def test_data_commands(trained, tmp_path):
    assert "frames" in run("data", "inspect", trained / "data.xyz")
    run("data", "convert", trained / "data.xyz", "--output", tmp_path / "store.h5")
    stored, source = open_dataset(tmp_path / "store.h5"), open_dataset(trained / "data.xyz")
    torch.testing.assert_close(stored[[3]].labels["forces"], source[[3]].labels["forces"])
    run("data", "split", trained / "data.xyz", "a=0.75", "b=0.25", "--folder", tmp_path)
    assert [len(read(tmp_path / f"{name}.xyz", ":")) for name in "ab"] == [18, 6]


def test_public_sets_are_listed_and_their_parts_found(tmp_path, capsys, monkeypatch):
    output = run("data", "get", "--list")
    assert "qm9: QM9" in output and "md5:ad1ebd51ee7f5b3a6e32e974e5d54012" in output and "licence CC0" in output
    assert "no checksum is published" in output
    listed = json.loads(CliRunner().invoke(app, ["data", "get", "--list", "--json"]).stdout)["sets"]
    assert {row["name"] for row in listed} >= {"rmd17", "acac"}
    part = tmp_path / "local" / "qm9_100" / "qm9_100.xyz"
    part.parent.mkdir(parents=True)
    part.touch()
    monkeypatch.setenv("ATNN_DATA", str(tmp_path / "local"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")  # where nobody answers
    output = run("data", "get", "qm9", "--folder", tmp_path)
    assert str(part) in output and "this is a part of qm9" in output
    assert "no public set is called" in fails(capsys, monkeypatch, "data", "get", "qm8")
    assert "no set is named" in fails(capsys, monkeypatch, "data", "get", "--folder", tmp_path)


def test_a_typo_in_a_configuration_is_explained(trained, tmp_path, capsys, monkeypatch):
    text = CONFIG.format(folder=trained, epochs=3).replace("epochs", "epoch")
    (tmp_path / "c.yaml").write_text(text)
    message = fails(capsys, monkeypatch, "train", tmp_path / "c.yaml")
    assert "unknown key `training.epoch`" in message and "did you mean `epochs`" in message
    assert "Traceback" not in message


def test_a_truncated_model_is_explained(trained, tmp_path, capsys, monkeypatch):
    (tmp_path / "m.atnn").write_bytes((trained / "run" / "model.atnn").read_bytes()[:1000])
    assert "truncated or corrupted" in fails(capsys, monkeypatch, "info", tmp_path / "m.atnn")
    assert load_model(trained / "run" / "model.atnn").elements == (1, 6, 8)


def test_missing_files_are_explained(trained, tmp_path, capsys, monkeypatch):
    model = trained / "run" / "model.atnn"
    assert "none.xyz" in fails(capsys, monkeypatch, "eval", model, tmp_path / "none.xyz")
    assert "none.atnn" in fails(capsys, monkeypatch, "info", tmp_path / "none.atnn")


def test_units_given_wrongly_are_explained(trained, capsys, monkeypatch):
    assert "name=value" in fails(capsys, monkeypatch, "data", "inspect", trained / "data.xyz", "--unit", "hartree")


def test_debug_shows_the_traceback(tmp_path, monkeypatch):
    from atnn.errors import ModelFileError

    monkeypatch.setattr(sys, "argv", ["atnn", "--debug", "info", str(tmp_path / "none.atnn")])
    with pytest.raises(ModelFileError):
        main()


def test_an_unknown_command_suggests_the_right_one():
    result = CliRunner().invoke(app, ["trian"])
    assert result.exit_code == 2 and "train" in result.output
