"""Hamiltonians in an atomic-orbital basis of water, ethanol and malonaldehyde: errors of matrices and orbital energies.

    OMP_NUM_THREADS=1 python -m benchmarks.science.hamiltonian water [--frames 500] [--minutes 60]

Labels are Kohn-Sham matrices from PySCF (PBE/def2-SVP with density fitting, converged to 1e-12 hartree) of geometries
that GFN2-xTB samples (thermal displacements along normal modes and Langevin dynamics, 300 and 500 K). They stay in
runs-hamiltonian/, and the command, called again, goes on where it was stopped: with sampling, labels or training. Of
the frames one in five is held out for the errors, and one in ten is for validation. Orbital energies follow from the
predicted matrix and PySCF's overlap. The published models (SchNOrb, doi:10.1038/s41467-019-12875-2; PhiSNet,
arXiv:2106.02347) train on other frames, many more of them, and for days. Results are kept in hamiltonian.json beside
this file and not computed again.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.build import molecule
from ase.io import read, write
from benchmarks import systems
from benchmarks.kept import keep

from atnn.active import sample_geometries
from atnn.basis import Basis
from atnn.data import Frames
from atnn.labelling import LabellerPotential, PyscfLabeller, TbliteLabeller, find_basis, label
from atnn.model import Model
from atnn.neighbors import neighbor_pairs
from atnn.observables import Orbitals, find_orbitals
from atnn.specification import parse
from atnn.structures import Labelled, Structures
from atnn.training import RunConfig, train

RESULTS = systems.ROOT / "benchmarks" / "science" / "hamiltonian.json"
FOLDER = systems.ROOT / "runs-hamiltonian"
TEMPERATURES = (300.0, 500.0)
WANTED = {"water": 1.0, "ethanol": 10.0, "malonaldehyde": 10.0}  # meV, of the occupied orbital energies
MALONALDEHYDE = Atoms(
    "C3O2H4",
    [
        (0.00, 1.10, 0), (1.21, 0.42, 0), (-1.22, 0.40, 0), (1.29, -0.90, 0), (-1.27, -0.84, 0), (0.00, 2.18, 0),
        (2.16, 0.95, 0), (-2.19, 0.93, 0), (0.36, -1.25, 0),
    ],
)  # fmt: skip
MOLECULES = {"water": molecule("H2O"), "ethanol": molecule("CH3CH2OH"), "malonaldehyde": MALONALDEHYDE}


def sample(name: str, count: int, folder: Path) -> Structures:
    """Geometries of a molecule, from the file that an earlier call wrote if there is one."""
    path = folder / f"geometries-{count}.extxyz"
    if not path.exists():
        start = Structures.from_ase(MOLECULES[name])
        potential = LabellerPotential(TbliteLabeller())
        frames = sample_geometries(potential, start, count, seed=1, temperatures=TEMPERATURES, spacing=20)
        folder.mkdir(parents=True, exist_ok=True)
        write(path, frames.to_ase())
    frames = [Atoms(frame.numbers, frame.positions) for frame in read(path, ":")]
    order = np.random.default_rng(0).permutation(len(frames))
    return Structures.from_ase([frames[k] for k in order])


def find_labels(name: str, count: int, folder: Path) -> tuple[Labelled, Basis]:
    """Hamiltonians and overlaps of the geometries, and their basis."""
    basis = find_basis("def2-svp", set(MOLECULES[name].get_chemical_symbols()))
    labeller = PyscfLabeller("pbe", "def2-svp", convergence=1e-12, orbitals=basis)
    result = label(sample(name, count, folder), labeller, folder / "labels.sqlite", workers=1)
    assert result.labelled is not None
    return result.labelled, basis


def configure(basis: Basis, folder: Path, minutes: float, epochs: int) -> RunConfig:
    """The training: NEAT, hamiltonian alone."""
    return parse(
        RunConfig,
        {
            "data": {"train": "given"},
            "model": {
                "representation": {"name": "neat", "cutoff": 5.0, "channels": 32},
                "outputs": ["hamiltonian"],
                "basis": basis.model_dump(),
            },
            "training": {
                "weights": {"hamiltonian": 1.0},
                "epochs": epochs,
                "batch_size": 4,
                "compile": True,
                "max_minutes": minutes,
                "validate_every": 5,
            },
            "output": str(folder),
        },
    )


def measure(model: Model, labelled: Labelled, basis: Basis) -> dict[str, float]:
    """Mean absolute errors [meV] of matrix elements that are no padding, occupied orbital energies and gap."""
    structures, errors = labelled.structures, {"matrix": [], "occupied": [], "gap": []}
    predicted = model(structures, neighbor_pairs(structures, model.cutoff), ("hamiltonian",))["hamiltonian"]
    starts = np.cumsum([0, *(structures.counts**2).tolist()])
    for k, one in enumerate(structures.singles()):
        rows = slice(starts[k], starts[k + 1])
        overlap = basis.join(labelled.labels["overlap"][rows], one.numbers)

        def solve(blocks: torch.Tensor, overlap=overlap, one=one) -> Orbitals:
            return find_orbitals(blocks.double(), overlap, one.numbers, basis)

        right = labelled.labels["hamiltonian"][rows]
        difference = basis.join(predicted[rows].double() - right, one.numbers)
        found, expected = solve(predicted[rows]), solve(right)
        errors["matrix"].append(float(difference.abs().mean()))
        errors["occupied"].append(float((found.occupied - expected.occupied).abs().mean()))
        errors["gap"].append(float((found.gap - expected.gap).abs()))
    return {name: 1e3 * math.fsum(values) / len(values) for name, values in errors.items()}


def split(labelled: Labelled) -> dict[str, Frames]:
    """Training, validation and test data; the frames are shuffled already."""
    whole, count = Frames(labelled), len(labelled.structures)
    ends = np.cumsum([round(0.7 * count), round(0.1 * count), count])
    parts = zip(("train", "validation", "test"), [0, *ends], ends, strict=False)
    return {name: Frames(whole[np.arange(a, min(b, count))]) for name, a, b in parts}


def run(name: str, frames: int, minutes: float, epochs: int) -> dict[str, Any]:
    """Label, train and measure one molecule."""
    folder = FOLDER / name
    labelled, basis = find_labels(name, frames, folder)
    sets = split(labelled)
    started = time.perf_counter()
    result = train(configure(basis, folder / f"training-{frames}", minutes, epochs), sets)
    errors = measure(result.model, sets["test"][:], basis)
    return {
        "frames": {part: len(own) for part, own in sets.items()},
        "parameters": sum(p.numel() for p in result.model.parameters()),
        "seed": 0,
        "training_minutes": round((time.perf_counter() - started) / 60, 2),
        "epochs": int(result.history[-1]["epoch"]) if result.history else 0,
        "errors_meV": {what: round(value, 3) for what, value in errors.items()},
        "wanted_meV": WANTED[name],
    }


def main() -> None:
    """Run one molecule, unless its row is kept, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("molecule", choices=MOLECULES)
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--epochs", type=int, default=2000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    given = arguments.molecule, arguments.frames, arguments.minutes, arguments.epochs
    key = f"{arguments.molecule}, {arguments.frames} frames, {arguments.epochs} epochs"
    print(f"{key}: {json.dumps(keep(RESULTS, key, lambda: run(*given)))}")


if __name__ == "__main__":
    main()
