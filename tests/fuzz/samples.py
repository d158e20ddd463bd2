"""One whole file or folder of each kind, small, as a user would have it. ``write_samples(folder)`` makes them all."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import torch
import yaml
from ase import Atoms
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from atnn.data import save_split, write_extxyz, write_store
from atnn.demo import stages
from atnn.demo.settings import DemoSettings, claim
from atnn.dynamics import Langevin, State, maxwell_boltzmann, run
from atnn.labelling import label
from atnn.reports import spectrum_report
from atnn.structures import Labelled, Structures
from atnn.training import load_config, train
from dynamics.analytic import Morse, PolarizableMorse, diatomics
from labelling.doubles import Springs
from training.runs import labelled

Z = np.array([8, 1, 1])
R = np.array([[0, 0, 0.1], [0, 0.76, -0.47], [0, -0.76, -0.47]]) + np.linspace(0, 0.1, 4)[:, None, None] ** [1, 2, 3]
RUNNER = """begin
comment periodic
lattice 20.0 0.0 0.0
lattice 1.0 21.0 0.0
lattice 0.0 0.0 22.0
atom 1.0 2.0 3.0 O -0.8 0.0 0.1 -0.2 0.3
atom 2.0 3.0 3.5 H 0.4 0.0 -0.1 0.2 -0.3
energy -76.5
charge -0.4
end
begin
atom 1.0 2.0 3.0 O -0.8 0.0 0.1 -0.2 0.3
atom 2.0 3.0 3.4 H 0.4 0.0 -0.1 0.2 -0.3
energy -76.2
charge -0.4
end
"""
REANN = """point= 1
8.0 0.0 0.0
1.0 9.0 0.0
0.0 0.0 20.0
pbc 1 1 0
O 15.999 1.0 2.0 3.0 0.1 0.2 0.3
C 12.011 2.2 2.0 3.0 -0.1 -0.2 -0.3
Ni 58.693 4.0 4.0 5.0 0.0 0.0 0.0
Ni 58.693 4.0 6.5 5.0 0.0 0.0 0.0
abprop: -12.5
"""
FIREANN = """point=   0
100 0 0
0 100 0
0 0 100
pbc 0 0 0
Energy='-5.5 ' Dipole='0.1 0.2 -0.3 ' POL='-.1 0 0 0 -.11 0 0 0 -.09 '
O 15.999 0.0 0.0 0.1 0.1 0.2 0.3
H 1.008 0.0 0.76 -0.47 -0.1 -0.2 -0.3
H 1.008 0.0 -0.76 -0.47 0.0 0.0 0.0
External_field: 0.01 0.0 -0.02
"""
CONFIG = """data:
  train: data.xyz
  validation: 4
model:
  representation: {name: reann, cutoff: 4.0, channels: 2, rounds: 1, hidden: [8], densities: 6}
  outputs: [energy, dipole]
  terms: [{name: zbl}]
  hidden: [8]
training: {epochs: 2, batch_size: 5, warmup: 5, checkpoint_seconds: 0.0, weights: {energy: 0.1, forces: 1, dipole: 1}}
output: run
seed: 5
"""
STEPS = 30
DEMO = DemoSettings(molecule="water", geometries=20)
OLD_MODELS = Path(__file__).parents[1] / "model" / "fixtures"


def write_samples(folder: Path) -> None:
    """Write every sample below ``folder``, each in a folder of its own."""
    data = labelled(12, dipole=True)
    _write_readable(folder, data)
    _write_configuration(folder / "configuration", data)
    _write_training(folder / "training", data)
    dynamics(_make(folder / "trajectory"), STEPS)
    run_folder = folder / "trajectory" / "run.traj"
    spectrum_report(run_folder, run_folder.with_name("s.html"), kind="power", resolution=6000.0)
    label_store(folder / "labels")
    _write_demo(_make(folder / "demo" / "demo"))
    for version in (1, 2):
        shutil.copy(OLD_MODELS / f"model_v{version}.atnn", _make(folder / "old models"))
    target = _make(folder / "split")
    save_split(target / "split.json", {"train": np.arange(8), "test": np.arange(8, 12)}, 12, seed=3)


def dynamics(folder: Path, steps: int):
    """The run of the sample trajectory, from its beginning or from where it is."""
    generator = torch.Generator().manual_seed(3)
    structures = diatomics(2)
    state = State.start(structures, maxwell_boltzmann(structures, 300.0, generator))
    path = folder / "run.traj"
    return run(
        state, Morse(), Langevin(0.5, 300.0, 0.02), steps, trajectory=path, every=2, generator=generator, chunk=5
    )


def label_store(folder: Path):
    """The labelling of the sample store, from its beginning or from where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    structures = Structures.from_ase([Atoms("CH", positions=rng.normal(size=(2, 3))) for _ in range(4)])
    return label(structures, Springs(str(folder / "log")), folder / "labels.db", workers=0)


def _write_demo(folder: Path) -> None:
    """What a demonstration has on the disk once its geometries are sampled and its modes are found."""
    claim(folder, DEMO)
    water, rng = stages.build_molecule(DEMO), np.random.default_rng(0)
    np.save(folder / "geometries.npy", rng.normal(size=(DEMO.geometries * len(water.numbers), 3)))
    stages.find_modes(PolarizableMorse(), DEMO, folder / "modes-direct.json")


def _write_readable(folder: Path, data: Labelled) -> None:
    write_extxyz(_make(folder / "extxyz") / "data.xyz", data)
    write_extxyz(_make(folder / "gzip") / "data.xyz.gz", data)
    write_store(_make(folder / "store") / "data.h5", data)
    energies, forces = np.arange(4.0), np.random.default_rng(0).normal(size=(4, 3, 3))
    np.savez(_make(folder / "npz") / "data.npz", R=R, z=Z, E=energies, F=forces, name=np.array("water"))
    (_make(folder / "runner") / "input.data").write_text(RUNNER)
    (_make(folder / "reann") / "configuration").write_text(REANN * 2)
    (_make(folder / "fireann") / "configuration").write_text(FIREANN * 2)
    own = _make(folder / "deepmd" / "system" / "set.000")
    arrays = {"coord": (R + 3).reshape(4, 9), "box": np.tile(np.diag([8.0, 9, 10]).reshape(9), (4, 1))}
    arrays |= {"energy": energies, "force": forces.reshape(4, 9), "virial": np.tile(np.eye(3).reshape(9), (4, 1))}
    for name, array in arrays.items():
        np.save(own / f"{name}.npy", array)
    (own.parent / "type.raw").write_text("1\n0\n0\n")
    (own.parent / "type_map.raw").write_text("H\nO\n")
    _write_ase(_make(folder / "ase"), energies, forces)


def _write_ase(folder: Path, energies: np.ndarray, forces: np.ndarray) -> None:
    frames = []
    for index in range(4):
        atoms = Atoms(Z, R[index])
        atoms.calc = SinglePointCalculator(atoms, energy=energies[index], forces=forces[index])
        frames.append(atoms)
    for name in ("data.traj", "data.json", "data.db"):
        write(folder / name, frames)
    write(folder / "POSCAR", Atoms(Z, R[0] + 3, cell=[9, 9, 9], pbc=True), format="vasp")
    write(folder / "data.cif", Atoms(Z, R[0] + 3, cell=[9, 9, 9], pbc=True))


def _write_configuration(folder: Path, data: Labelled) -> None:
    write_extxyz(_make(folder) / "data.xyz", data)
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "config.json").write_text(json.dumps(yaml.safe_load(CONFIG)))


def _write_training(folder: Path, data: Labelled) -> None:
    """A run folder, the model of which is the sample of model files."""
    _write_configuration(folder, data)
    write(folder / "start.xyz", molecule("H2O"))
    dynamics(folder, STEPS)
    before = os.getcwd()
    os.chdir(folder)
    try:
        train(load_config("config.yaml"))
    finally:
        os.chdir(before)


def _make(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
