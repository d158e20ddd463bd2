"""The first hour of a newcomer: data of their own in five awkward forms, and every command after another, in a shell.

``scripts/check_wheel`` runs this file, too, with the command of an installed wheel in ``ATNN_COMMAND``.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import Bohr, Hartree, kcal, mol

COMMAND = os.environ.get("ATNN_COMMAND", str(Path(sys.executable).with_name("atnn")))
CONFIG = """
data: {train: train.h5, validation: 0.25}
model: {representation: {name: eann, cutoff: 3.0, channels: 4}, outputs: [energy, dipole], hidden: [16]}
training: {epochs: 15, batch_size: 8, weights: {energy: 0.1, forces: 1, dipole: 1}, compile: false}
output: run
"""
SCRIPT = """
from ase.io import read
from atnn.interfaces.ase import Calculator

atoms = read("relaxed.xyz")
atoms.calc = Calculator("run/model.atnn")
print(atoms.get_potential_energy(), abs(atoms.get_forces()).max())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Forty labelled waters in five forms."""
    from tblite.interface import Calculator

    folder, rng = tmp_path_factory.mktemp("first-hour"), np.random.default_rng(0)
    frames = []
    for _ in range(40):
        atoms = molecule("H2O")
        atoms.rattle(0.06, rng=rng)
        single = Calculator("GFN2-xTB", atoms.numbers, atoms.positions / Bohr)
        single.set("verbosity", 0)
        found = single.singlepoint()
        atoms.calc = SinglePointCalculator(
            atoms,
            energy=float(found.get("energy")) * Hartree,
            forces=-np.asarray(found.get("gradient")) * Hartree / Bohr,
            dipole=np.asarray(found.get("dipole")) * Bohr,
        )
        frames.append(atoms)
    _write_forms(folder, frames)
    return folder


def _write_forms(folder: Path, frames: list[Atoms]) -> None:
    energies = np.array([atoms.get_potential_energy() for atoms in frames])
    forces = np.array([atoms.get_forces() for atoms in frames])
    dipoles = np.array([atoms.get_dipole_moment() for atoms in frames])
    positions = np.array([atoms.positions for atoms in frames])
    ase.io.write(folder / "ase.traj", frames)
    bare = [Atoms(atoms.symbols, atoms.positions) for atoms in frames]
    for index, atoms in enumerate(bare):
        atoms.positions /= Bohr
        atoms.info.update(my_energy=energies[index] / Hartree, mu=dipoles[index] / Bohr)
        atoms.arrays["grad_minus"] = forces[index] / Hartree * Bohr
    ase.io.write(folder / "odd-keys.xyz", bare)
    text = (folder / "odd-keys.xyz").read_bytes().replace(b"\n", b"\r\n")
    (folder / "windows.xyz.gz").write_bytes(gzip.compress(text))
    unit = kcal / mol
    np.savez(folder / "md17.npz", R=positions, z=frames[0].numbers, E=energies / unit, F=forces / unit, D=dipoles)
    blocks = []
    for index, atoms in enumerate(frames):
        rows = [
            f"atom {' '.join(f'{x / Bohr:.10f}' for x in atoms.positions[k])} {symbol} 0 0 "
            f"{' '.join(f'{f / Hartree * Bohr:.10f}' for f in forces[index, k])}"
            for k, symbol in enumerate(atoms.symbols)
        ]
        blocks.append("\n".join(["begin", *rows, f"energy {energies[index] / Hartree:.12f}", "charge 0", "end"]))
    (folder / "input.data").write_text("\n".join(blocks) + "\n")


def run(folder: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell's way; a traceback is never what a user gets."""
    environment = {**os.environ, "COLUMNS": "100", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [COMMAND, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code, done.stdout + done.stderr
    return done


def convert(source: Path, store: Path, *options: str) -> None:
    """Convert data in this process, which starts faster."""
    from typer.testing import CliRunner

    from atnn.cli import app

    done = CliRunner().invoke(app, ["data", "convert", str(source), "--output", str(store), *options])
    assert done.exit_code == 0, done.output


ATOMIC = ("--unit", "energy=hartree", "--unit", "length=bohr")
KEYS = ("--key", "energy=my_energy", "--key", "forces=grad_minus")
FORMS = {
    "ase.traj": (),
    "odd-keys.xyz": (*ATOMIC, *KEYS),
    "windows.xyz.gz": (*ATOMIC, *KEYS),
    "md17.npz": ("--unit", "energy=kcal/mol", "--unit", "length=Angstrom", "--key", "dipole=D"),
    "input.data": ATOMIC,
}


@pytest.mark.parametrize("name", FORMS)
def test_five_awkward_forms_become_the_same_data(folder, name):
    from atnn.data import Store

    store = folder / f"{name}.h5"
    convert(folder / name, store, *FORMS[name])
    reference = ase.io.read(folder / "ase.traj", ":")
    batch = Store(store)[:]
    assert len(batch.structures) == len(reference)
    np.testing.assert_allclose(batch.structures.positions, np.concatenate([a.positions for a in reference]), atol=1e-6)
    np.testing.assert_allclose(batch.labels["energy"], [a.get_potential_energy() for a in reference], atol=1e-6)
    np.testing.assert_allclose(batch.labels["forces"], np.concatenate([a.get_forces() for a in reference]), atol=1e-5)
    if "dipole" in batch.labels:
        np.testing.assert_allclose(batch.labels["dipole"], [a.get_dipole_moment() for a in reference], atol=1e-6)


def test_what_is_forgotten_is_asked_for_in_the_words_of_the_command_line(folder):
    lacking = run(folder, "data", "inspect", "md17.npz", code=1)
    assert "--unit energy=" in lacking.stderr


def test_from_data_to_a_spectrum_command_by_command(folder):
    run(folder, "data", "convert", "ase.traj", "--output", "train.h5")
    (folder / "config.yaml").write_text(CONFIG)
    ase.io.write(folder / "start.xyz", molecule("H2O"))
    trained = run(folder, "train", "config.yaml")
    assert "run/model.atnn" in trained.stdout
    assert "forces" in run(folder, "eval", "run/model.atnn", "ase.traj").stdout
    assert "O" in run(folder, "info", "run/model.atnn").stdout
    run(folder, "relax", "run/model.atnn", "start.xyz", "--output", "relaxed.xyz", "--fmax", "0.05")
    modes = json.loads(run(folder, "modes", "run/model.atnn", "start.xyz", "--json").stdout)
    assert len(modes["frequencies"]) == 3
    arguments = ("md", "run/model.atnn", "relaxed.xyz", "--copies", "2", "--steps", "300", "--temperature", "20")
    run(folder, *arguments, "--every", "2", "--no-compile")
    run(folder, "spectrum", "md.traj", "--temperature", "20", "--resolution", "400", "--output", "spectrum.html")
    assert "<html" in (folder / "spectrum.html").read_text(encoding="utf-8")
    table = np.loadtxt(folder / "spectrum.csv", delimiter=",", skiprows=1)
    assert np.isfinite(table).all() and table[:, 1].max() > 0
    run(folder, "report", "run")


def test_the_calculator_works_in_a_script(folder):
    if not (folder / "relaxed.xyz").exists():
        pytest.skip("needs the commands before it")
    (folder / "script.py").write_text(SCRIPT)
    python = Path(shutil.which(COMMAND) or COMMAND).with_name("python")
    done = subprocess.run([python, "script.py"], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    energy, force = map(float, done.stdout.split())
    assert -150 < energy < -130 and force < 0.06


def test_the_same_command_goes_on_after_it_was_killed(folder):
    config = CONFIG.replace("output: run", "output: killed").replace("epochs: 15", "epochs: 4")
    config = config.replace("train.h5", "killed.h5")
    (folder / "killed.yaml").write_text(config)
    convert(folder / "ase.traj", folder / "killed.h5")
    process = subprocess.Popen([COMMAND, "train", "killed.yaml"], cwd=folder, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (folder / "killed" / "checkpoint.safetensors").exists():
        try:
            process.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    process.wait()
    assert "killed/model.atnn" in run(folder, "train", "killed.yaml").stdout
    history = (folder / "killed" / "history.csv").read_text().splitlines()
    assert len(history) >= 4
