"""What all commands share: help with units, numbers that are refused, JSON, quiet, interruptions, and remedies."""

import inspect
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from ase.build import molecule
from ase.io import write
from typer.testing import CliRunner

from atnn import progress
from atnn.cli import app, main
from atnn.cli.commands import LONG, dress
from atnn.cli.wording import escape, rephrase
from atnn.data import Frames, write_extxyz
from atnn.errors import AtnnError, DataError
from atnn.training import train
from training.runs import ENVIRONMENT, config, labelled

NAMED = {(c.name,): c.callback for c in app.registered_commands} | {
    (group.name, c.name): c.callback
    for group in app.registered_groups
    for c in group.typer_instance.registered_commands
}
DATA = "data: {{train: {folder}/data.xyz, validation: 4}}\ntraining: {{epochs: {epochs}}}\noutput: {folder}/{name}\n"


def invoke(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "240"})


def parameters(callback):
    """Name, type, note of typer, and default of each own parameter of a command."""
    for p in inspect.signature(callback.__wrapped__, eval_str=True).parameters.values():
        yield p.name, *get_args(p.annotation)[:2], p.default


def minimal(callback):
    """Arguments that a command needs."""
    for name, _, note, default in parameters(callback):
        if default is inspect.Parameter.empty:
            yield from ["x"] if type(note).__name__ == "ArgumentInfo" else [f"--{name}", "x"]


def options_of(kind):
    return [
        pytest.param(path, name, id=f"{' '.join(path)} --{name}")
        for path, callback in NAMED.items()
        for name, annotation, _, _ in parameters(callback)
        if annotation in kind and (kind != INTEGERS or name == "seed")
    ]


FLOATS, INTEGERS = (float, float | None), (int, int | None)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frame")
    write_extxyz(folder / "data.xyz", labelled(24, dipole=True))
    write(folder / "start.xyz", molecule("H2O"))
    weights = {"energy": 0.1, "forces": 1.0, "dipole": 1.0}
    train(config(folder, ("energy", "dipole"), epochs=8, weights=weights), {"train": Frames(labelled(24, dipole=True))})
    (folder / "model.atnn").write_bytes(next(folder.rglob("model.atnn")).read_bytes())
    return folder


def test_help_keeps_every_unit():
    found = 0
    for path, callback in NAMED.items():
        texts = [callback.__wrapped__.__doc__, *(note.help or "" for _, _, note, _ in parameters(callback))]
        units = re.findall(r"\[[^\]]+\]", " ".join(texts))
        shown = invoke(*path, "--help").output
        assert not [unit for unit in units if unit not in shown]
        found += len(units)
    assert found >= 6  # [K], [fs], [1/fs], [cm^-1], ...


def test_only_markup_is_escaped():
    assert escape("[fs] [K] [1/fs] [#] plain") == r"\[fs] [K] [1/fs] \[#] plain"


@pytest.mark.parametrize(("path", "name"), options_of(FLOATS))
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "NaN", "1e999"])
def test_no_float_is_nan_or_infinite(path, name, value):
    result = invoke(*path, *minimal(NAMED[path]), f"--{name}", value)
    assert result.exit_code == 2 and f"--{name}" in result.output


@pytest.mark.parametrize(("path", "name"), options_of(INTEGERS))
@pytest.mark.parametrize("value", [-1, 2**63, 2**70, "x", 0.5])
def test_seeds_are_63_bits(path, name, value):
    assert invoke(*path, *minimal(NAMED[path]), f"--{name}", value).exit_code == 2


def test_all_commands_have_quiet_and_the_long_ones_verbose():
    for path, callback in NAMED.items():
        added = inspect.signature(callback).parameters.keys()
        assert "quiet" in added and ("verbose" in added) == (path[-1] in LONG)


@pytest.mark.parametrize(
    "size", ["a=x", "a=nan", "a=-1", "a=inf", "a", "=1", "a=", "a=1_0", "a=1e1", "a=1.5", "a=1,b=2"]
)
def test_parts_of_a_split_are_numbers(trained, tmp_path, size):
    result = invoke("data", "split", trained / "data.xyz", "--folder", tmp_path, "--", size)
    assert result.exit_code == 1 and isinstance(result.exception, AtnnError) and result.exception.remedy
    assert not list(tmp_path.iterdir())


def test_a_name_given_twice_is_refused(trained, tmp_path):
    result = invoke("data", "split", trained / "data.xyz", "a=0.5", "a=0.5", "--folder", tmp_path)
    assert isinstance(result.exception, AtnnError) and "given twice" in str(result.exception)


@pytest.fixture
def place(trained, tmp_path, monkeypatch):
    """A folder with what commands need and with paths that they cannot use."""
    monkeypatch.chdir(tmp_path)
    for name in ("data.xyz", "start.xyz", "model.atnn"):
        (tmp_path / name).write_bytes((trained / name).read_bytes())
    (tmp_path / "a folder").mkdir()
    (tmp_path / "FILE").write_text("a file")
    (tmp_path / "garbage.x").write_bytes(np.random.default_rng(0).bytes(500))
    (tmp_path / "empty.x").write_bytes(b"")
    (tmp_path / "broken link").symlink_to("nowhere")
    return tmp_path


@pytest.mark.parametrize("bad", ["missing/none.x", "garbage.x", "a folder", "empty.x", "broken link"])
@pytest.mark.parametrize(
    "command",
    [
        *("info BAD", "eval BAD data.xyz", "eval model.atnn BAD", "md BAD start.xyz", "md model.atnn BAD"),
        *("spectrum BAD", "modes BAD start.xyz", "modes model.atnn BAD", "report BAD", "train BAD"),
        *("data inspect BAD", "data convert BAD --output out.h5", "data split BAD a=1.0"),
    ],
)
def test_files_that_cannot_be_read_are_errors_of_atnn(place, command, bad):
    result = invoke(*(bad if word == "BAD" else word for word in command.split()))
    assert result.exit_code == 1 and isinstance(result.exception, AtnnError), repr(result.exception)


@pytest.mark.parametrize(
    "command",
    [
        *("eval model.atnn data.xyz --report FILE/e.html", "eval model.atnn data.xyz --report ."),
        *("md model.atnn start.xyz --no-compile --output FILE/a.traj", "md model.atnn start.xyz --output FILE"),
        *("data convert data.xyz --output FILE/o.h5", "data convert data.xyz --output ."),
        *("data split data.xyz a=1.0 --folder FILE", "demo --output FILE", "init FILE/c.yaml", "init . --force"),
    ],
)
def test_places_that_cannot_be_written_are_errors_of_atnn(place, command):
    result = invoke(*command.split())
    assert result.exit_code == 1 and isinstance(result.exception, AtnnError), repr(result.exception)
    assert (place / "FILE").read_text() == "a file"


def test_brackets_in_names_of_files_are_printed(trained, tmp_path):
    (tmp_path / "[red]").mkdir()
    model = tmp_path / "[red]" / "model.atnn"
    model.write_bytes((trained / "model.atnn").read_bytes())
    assert (
        str(model) in invoke("info", model).output and str(model) in invoke("eval", model, trained / "data.xyz").output
    )


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        ("info model.atnn", {"elements", "cutoff", "specification", "provenance", "units"}),
        ("eval model.atnn data.xyz", {"errors"}),
        ("md model.atnn start.xyz --steps 8 --no-compile --output j.traj", {"temperature", "drift", "units"}),
        ("data inspect data.xyz", {"summary", "findings", "largest_force", "units"}),
        ("data convert data.xyz --output j.h5", {"structures"}),
        ("data split data.xyz a=0.5 b=0.5 --folder j", {"structures"}),
    ],
)
def test_json_is_one_document_and_the_rest_is_elsewhere(trained, monkeypatch, command, keys):
    monkeypatch.chdir(trained)
    result = invoke(*command.split(), "--json")
    assert result.exit_code == 0, repr(result.exception)
    document = json.loads(result.stdout, parse_constant=pytest.fail)
    assert keys <= document.keys()


def test_json_of_training_and_spectrum_hold_the_numbers(trained, monkeypatch):
    monkeypatch.chdir(trained)
    (trained / "c.yaml").write_text(DATA.format(folder=trained, epochs=1, name="json"))
    document = json.loads(invoke("train", "c.yaml", "--json").stdout)
    errors = document["errors"]["validation"]["forces"]
    assert document["finished"] and 0 < errors["mae"] <= errors["rmse"] <= errors["maximum"]
    assert errors["unit"] == "eV/Angstrom"
    assert "training begins at epoch 0 of 1" in (trained / "json" / "log.txt").read_text(encoding="utf-8")
    run = ["md", "model.atnn", "start.xyz", "--steps", 60, "--no-compile", "--temperature", 1, "--timestep", 0.2]
    assert invoke(*run, "--output", "s.traj").exit_code == 0
    document = json.loads(invoke("spectrum", "s.traj", "--resolution", 6000, "--temperature", 1, "--json").stdout)
    assert document["wavenumber [cm^-1]"][0] == 0 and document["standard error"][0] is None


def test_what_is_not_finite_is_null():
    def numbers() -> dict:
        """Give numbers."""
        return {"a": float("nan"), "b": np.array([1.0, np.inf]), "c": np.float64(2), "d": (True, None, "x")}

    from typer import Typer

    small = Typer()
    small.command()(dress(numbers, "numbers"))
    assert json.loads(CliRunner().invoke(small, ["--json"]).stdout) == {
        "a": None,
        "b": [1.0, None],
        "c": 2.0,
        "d": [True, None, "x"],
    }


def test_quiet_hides_progress_and_the_report_appears_once(trained, monkeypatch):
    monkeypatch.chdir(trained)
    monkeypatch.setattr(progress, "FIRST", 0.0)
    arguments = ["md", "model.atnn", "start.xyz", "--steps", 20, "--no-compile", "--output"]
    loud = invoke(*arguments, "loud.traj")
    assert "dynamics of 1 structure: step" in loud.stderr and loud.output.count("energy drift") == 1
    for quiet in (invoke(*arguments, "a.traj", "--quiet"), invoke("--quiet", *arguments, "b.traj")):
        assert quiet.stderr == "" and "energy drift" in quiet.stdout
    assert "dynamics of 1 structure: step" in invoke(*arguments, "c.traj").stderr


@pytest.mark.parametrize(("command", "goes_on"), [("train", True), ("data inspect", False)])
def test_an_interruption_says_what_it_means(monkeypatch, command, goes_on):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("atnn.training.load_config", interrupt)
    monkeypatch.setattr("atnn.reading.open_dataset", interrupt)
    result = invoke(*command.split(), "x")
    assert result.exit_code == 130 and "interrupted" in result.stderr
    assert ("the same command goes on" in result.stderr) == goes_on


def _heed_interrupts() -> None:
    # Jobs in the background of a shell ignore them, and their children inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_a_training_that_is_interrupted_says_so_without_a_traceback(trained):
    (trained / "long.yaml").write_text(DATA.format(folder=trained, epochs=5000, name="long"))
    command = [sys.executable, "-m", "atnn.cli", "train", str(trained / "long.yaml")]
    pipes = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=ENVIRONMENT, preexec_fn=_heed_interrupts, **pipes) as process:
        deadline = time.monotonic() + 100
        while not (trained / "long" / "history.csv").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=100)
    assert process.returncode == 130 and "interrupted; the same command goes on" in said and "Traceback" not in said


@pytest.mark.parametrize("reader", ["closed", "full"])
def test_an_output_that_nobody_takes_is_no_traceback(reader):
    if reader == "full" and not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    end, start = os.pipe() if reader == "closed" else (None, os.open("/dev/full", os.O_WRONLY))
    if end is not None:
        os.close(end)
    result = subprocess.run(
        [sys.executable, "-m", "atnn.cli", "--version"],
        env=ENVIRONMENT,
        stdout=start,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(start)
    assert result.returncode == 1 and "Traceback" not in result.stderr and "Exception" not in result.stderr
    assert ("No space left" in result.stderr) == (reader == "full")


def test_an_error_of_the_operating_system_names_the_file():
    def fail() -> None:
        """Fail."""
        Path("/no/such/folder/x").read_text()

    with pytest.raises(DataError, match="/no/such/folder/x: No such file"):
        dress(fail, "fail")()


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["trian"], "train"),
        (["data", "inspct"], "inspect"),
        (["md", "m", "s", "--tempature", "3"], "--temperature"),
        (["data", "inspect", "f", "--unt", "energy=eV"], "--unit"),
        (["md", "m", "s", "--timestepp", "3"], "--timestep"),
    ],
)
def test_unknown_names_suggest_the_right_one(arguments, meant):
    result = invoke(*arguments)
    assert result.exit_code == 2 and re.search(rf"(Did you mean|Possible options).*\W{meant}\W", result.output), (
        result.output
    )


UNITS = 'declare them, e.g. units={"energy": "hartree", "length": "bohr"} or another'


def test_remedies_are_options_of_the_command():
    assert rephrase(UNITS, ["unit"]) == "declare them, e.g. --unit energy=hartree --unit length=bohr or another"
    assert rephrase("keys={'forces': None} leaves them out", ["unit"]) == "--key forces= leaves them out"
    assert rephrase("read with format='reann-fractional'", ["unit"]) == "read with --format reann-fractional"
    assert rephrase("give format= one of xyz", ["unit"]) == "give --format one of xyz"
    assert rephrase("choose another folder", ["model"]) == "choose another folder"


def test_remedies_of_commands_without_these_options_are_keys_or_a_conversion():
    assert "units: {energy: hartree, length: bohr} or another" in rephrase(UNITS, ["config"])
    assert "keys: {spin: null}" in rephrase('keys={"spin": None}', ["config"])
    assert "`atnn data convert`" in rephrase(UNITS, ["model", "data"])


def test_undeclared_units_are_explained_in_options_and_these_work(tmp_path, capsys, monkeypatch):
    np.savez(tmp_path / "h2.npz", z=np.array([1, 1]), R=np.array([[[0, 0, 0], [0, 0, 0.74]]]), E=np.array([-1.1]))
    monkeypatch.setattr(sys, "argv", ["atnn", "data", "inspect", str(tmp_path / "h2.npz")])
    with pytest.raises(SystemExit):
        main()
    message = capsys.readouterr().err
    assert "--unit energy=" in message and "units={" not in message
    assert (
        invoke(
            "data", "inspect", tmp_path / "h2.npz", "--unit", "energy=hartree", "--unit", "length=Angstrom"
        ).exit_code
        == 0
    )


def test_a_key_without_a_value_leaves_a_quantity_out(trained):
    document = json.loads(invoke("data", "inspect", trained / "data.xyz", "--key", "dipole=", "--json").stdout)
    assert "dipole" not in document["summary"]["labels"] and "forces" in document["summary"]["labels"]
