"""Importing models of other packages on the command line."""

import json
import sys

import pytest
from typer.testing import CliRunner

from atnn.cli import app, main
from atnn.model import load_model
from imports.test_reann import write_checkpoint


def run(*arguments):
    return CliRunner().invoke(app, ["import", *map(str, arguments)])


UNITS = ("--unit", "energy=eV", "--unit", "length=Angstrom")


def test_a_model_is_written_beside_its_checkpoint_or_where_it_is_asked_for(tmp_path):
    path, folder = write_checkpoint(tmp_path)
    done = run("reann", path, "--input", folder, *UNITS)
    assert done.exit_code == 0 and "REANN.atnn" in done.output
    done = run("reann", path, "--input", folder, *UNITS, "-o", tmp_path / "mine.atnn", "--json")
    assert json.loads(done.stdout)["output"] == str(tmp_path / "mine.atnn")
    models = [load_model(tmp_path / name) for name in ("REANN.atnn", "mine.atnn")]
    assert models[0].elements == (1, 8) and models[0].specification == models[1].specification


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("rean", "x.pth"), "did you mean `reann`"),
        (("reann", "x.pth", *UNITS), "--input"),
        (("reann", "x.pth", "--input", "para"), "--unit energy=hartree --unit length=bohr"),
    ],
)
def test_what_is_missing_is_explained_as_options(arguments, message, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["atnn", "import", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    error = capsys.readouterr().err
    assert caught.value.code == 1 and message in error and "Traceback" not in error
