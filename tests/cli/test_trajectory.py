"""Exporting trajectories on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import ase.io
import h5py
import pytest
import torch
from typer.testing import CliRunner

from atnn.cli import app
from atnn.cli.options import Format
from atnn.dynamics import State, Trajectory, VelocityVerlet, maxwell_boltzmann, run
from atnn.errors import AtnnError
from atnn.structures import Structures
from dynamics.analytic import Wells
from systems import methane


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trajectory")
    structures = Structures.from_ase([methane()] * 2)
    velocities = maxwell_boltzmann(structures, 100.0, torch.Generator().manual_seed(0))
    run(State.start(structures, velocities), Wells(), VelocityVerlet(0.1), 12, trajectory=folder / "md.traj", every=2)
    return folder


def export(folder, *arguments):
    return CliRunner().invoke(app, ["trajectory", "export", str(folder / "md.traj"), *map(str, arguments)])


@pytest.mark.parametrize("name", ["a.xyz", "a.traj", "a.h5md"])
def test_the_format_follows_from_the_name(folder, tmp_path, name):
    done = export(folder, tmp_path / name, "--every", 3, "--structures", 1, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["frames"] == 3
    positions = Trajectory(folder / "md.traj").read("positions")[::3, 5:].double()
    if name.endswith("h5md"):
        with h5py.File(tmp_path / name) as file:
            found = torch.tensor(file["particles/trajectory/position/value"][:]).double()
    else:
        found = torch.stack([torch.tensor(frame.positions) for frame in ase.io.read(tmp_path / name, ":")])
    torch.testing.assert_close(found, positions, rtol=0, atol=1e-6)  # extended XYZ has eight decimals


@pytest.mark.parametrize(("folder", "file"), [("md.traj", "md"), ("deep/run", "deep/run"), (".", "md")])
def test_the_file_lies_beside_the_folder_and_never_is_it(folder, file):
    for format, ending in (("extxyz", "xyz"), ("traj", "ase.traj"), ("h5md", "h5md")):
        assert Format(format).beside(Path(folder)) == Path(f"{file}.{ending}")


@pytest.mark.parametrize("arguments", [("a.xyz", "--format", "extxy"), ("a.xyz", "--structures", "7"), (".",)])
def test_what_cannot_be_written_is_an_error(folder, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    done = export(folder, *arguments)
    assert done.exit_code == 1 and isinstance(done.exception, AtnnError), repr(done.exception)
