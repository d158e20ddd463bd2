"""N-methylacetamide in electric fields: energy, forces, dipole and polarizability from one energy.

    OMP_NUM_THREADS=1 python -m benchmarks.science.field [--models REANN NEAT] [--epochs 400] [--seed 0]

Trained on the frames of FIREANN's validation set and tested on those of its test set that are not in the former; its
training set is not public. Errors are root mean squares over all components of the labels in fields of 0 to 0.42
V/Angstrom. For comparison the last line has what FIREANN's log shows for its own validation set after 97 epochs at a
learning rate that was still the first. Results are kept in field.json beside this file and not computed again.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.io import read as read_ase
from benchmarks import systems
from benchmarks.kept import keep

from atnn.data import Dataset, Frames, select
from atnn.reading import read
from atnn.specification import parse
from atnn.training import RunConfig, evaluate, train

RESULTS = Path(__file__).with_suffix(".json")
NAMES = ("energy", "forces", "dipole", "polarizability")
UNITS = "energy, eV | forces, eV/A | dipole, e A | polarizability, e^2 A^2/eV"
FIREANN = (0.061, 0.166, 0.027, 0.035)  # doi:10.1038/s41467-023-42148-y, log published with the code
SIZES = {"cutoff": 6.0, "channels": 12, "rounds": 1, "densities": 60, "hidden": [32, 32]}
MODELS: dict[str, dict[str, Any]] = {
    "EANN": {"name": "eann", "cutoff": 6.0, "channels": 12, "contraction": 32},
    "REANN": {"name": "reann", **SIZES},
    "EquiREANN": {"name": "equireann", **SIZES},
    "NEAT": {"name": "neat", "cutoff": 5.0, "channels": 32},
    "NEMP": {"name": "nemp", "cutoff": 5.0, "channels": 16, "radial": 8, "rounds": 2, "hidden": [32]},
    "GMP": {"name": "gmp", "cutoff": 5.0},
    "ACSF": {"name": "acsf", "cutoff": 5.0},
    "SpookyNet": {"name": "spookynet", "cutoff": 5.0, "channels": 64, "rounds": 3},
}


def open_frames() -> dict[str, Dataset]:
    """The frames to train with and those to test with."""
    path = systems.data("nma_field", "frames.xyz.gz")
    everything = read(path, units={"polarizability": "Angstrom^3"})[:]
    tested = np.array([atoms.info["source_split"] == "test" for atoms in read_ase(path, ":")])
    return {
        "train": Frames(select(everything, np.flatnonzero(~tested))),
        "test": Frames(select(everything, np.flatnonzero(tested))),
    }


def measure(name: str, frames: dict[str, Dataset], epochs: int, seed: int, folder: Path) -> dict[str, Any]:
    """Errors, parameters and seconds of one training."""
    values = {
        "data": {"train": "unused", "validation": 0.1},
        "model": {"representation": MODELS[name], "conditions": ["field"], "hidden": [32, 32]},
        "training": {
            "epochs": epochs,
            "weights": {"energy": [0.1, 1.0], "forces": 1.0, "dipole": 1.0, "polarizability": 1.0},
            "compile": True,
            "validate_every": max(1, epochs // 40),
        },
        "output": str(folder / f"{name}-{epochs}-{seed}"),
        "seed": seed,
    }
    run = train(parse(RunConfig, values, where=__file__), {"train": frames["train"]})
    errors = evaluate(run.model, frames["test"], NAMES)
    return {
        "rmse": {quantity: errors[quantity].rmse for quantity in NAMES},
        "parameters": sum(p.numel() for p in run.model.parameters()),
        "seconds": run.history[-1]["seconds"],
        "epochs": epochs,
        "seed": seed,
        "machine": systems.machine(),
    }


def row(name: str, result: dict[str, Any]) -> str:
    """A line of the table."""
    cells = [f"{result['rmse'][quantity]:.3g}" for quantity in NAMES]
    sizes = f"{result['parameters']} | {result['epochs']} | {result['seconds'] / 60:.0f}"
    return f"| {name} | {sizes} | " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--epochs", type=int, default=400, help="passes over the training frames")
    parser.add_argument("--seed", type=int, default=0, help="seed of split, weights and order")
    parser.add_argument("--output", type=Path, default=Path("runs/field"), help="folder of the trainings")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    frames = open_frames()
    print(f"{systems.machine()}; {len(frames['train'])} frames to train, {len(frames['test'])} to test", flush=True)
    print(f"| model | parameters | epochs | minutes | {UNITS} |\n|---|--:|--:|--:|--:|--:|--:|--:|")
    for name in arguments.models:
        given = name, frames, arguments.epochs, arguments.seed, arguments.output
        key = f"{name}, {arguments.epochs} epochs, seed {arguments.seed}"
        print(row(name, keep(RESULTS, key, partial(measure, *given))), flush=True)
    print("| FIREANN, its log | | 97 | | " + " | ".join(str(value) for value in FIREANN) + " |")


if __name__ == "__main__":
    main()
