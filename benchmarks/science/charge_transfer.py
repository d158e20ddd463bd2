"""What charge, attention and electrostatics bring where charge moves: the four sets of charge_transfer_sets.py.

    OMP_NUM_THREADS=1 python -m benchmarks.science.charge_transfer [--minutes 2] [--sets carbon] [--frames 2000]

Labels are GFN2-xTB, of gold GFN1-xTB, made by charge_transfer_sets.py where they are not there yet; published figures
are of other labels (PBE, Hirshfeld charges), of more frames and of much longer trainings, and compare in kind only.
Each training gets the same processor time for its steps, see accuracy.py. One frame in ten is held out at random for
the errors, as was published, and one in twenty for validation; frames of the carbon chains are neighbors in time. Of
the models are

complete             energy, forces, charges and electrostatics; the total charge by `conditions`
no charge embedding  without `conditions`: the total charge reaches the sum of the charges, and by it electrostatics
no attention         of SpookyNet: only neighbors interact
no electrostatics    charges are learned, but do not enter the energy
equilibrated         no `conditions`; charges that minimise their own energy, and are inputs of that of the atoms
local                energy and forces from neighbors alone; REANN and NEMP pass messages, EANN sees one cutoff

Run again to go on where it was stopped; finished trainings are kept in benchmarks/charge_transfer.json, and with all
of them there only the table and, of all sets and models, the picture are written.
"""

from __future__ import annotations

import argparse
import math
import warnings
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from benchmarks import systems
from benchmarks.kept import keep, read_kept
from benchmarks.science.accuracy import seconds_per_epoch
from benchmarks.science.charge_transfer_sets import SETS, make, sizes

from atnn.errors import AtnnError, AtnnWarning
from atnn.specification import parse
from atnn.training import RunConfig, train

matplotlib.use("Agg")
import matplotlib.pyplot as plt

CUTOFF = 5.0
SPOOKYNET = {"name": "spookynet", "cutoff": CUTOFF, "channels": 64, "rounds": 3}
REANN = {"name": "reann", "cutoff": CUTOFF, "channels": 12, "rounds": 1, "densities": 60, "hidden": [32, 32]}
NEMP = {"name": "nemp", "cutoff": CUTOFF, "channels": 16, "radial": 8, "rounds": 2, "hidden": [32]}
EANN = {"name": "eann", "cutoff": CUTOFF, "channels": 12, "contraction": 32}
LOCAL: dict[str, Any] = {"outputs": ["energy"], "conditions": []}
CHARGES: dict[str, Any] = {"outputs": ["energy", "charges"], "conditions": ["charge"]}
COMPLETE = {**CHARGES, "terms": [{"name": "electrostatics"}]}
EQUILIBRATED = {"charges": {"name": "equilibration"}, "charges_in_energy": True, "conditions": []}
MODELS: dict[str, dict[str, Any]] = {
    "SpookyNet": {**COMPLETE, "representation": SPOOKYNET},
    "SpookyNet, no charge embedding": {**COMPLETE, "representation": SPOOKYNET, "conditions": []},
    "SpookyNet, no attention": {**COMPLETE, "representation": {**SPOOKYNET, "attention": False}},
    "SpookyNet, no electrostatics": {**CHARGES, "representation": SPOOKYNET},
    "REANN": {**COMPLETE, "representation": REANN},
    "REANN, no charge embedding": {**COMPLETE, "representation": REANN, "conditions": []},
    "REANN, equilibrated": {**COMPLETE, "representation": REANN, **EQUILIBRATED},
    "REANN, local": {**LOCAL, "representation": REANN},
    "NEMP": {**COMPLETE, "representation": NEMP},
    "NEMP, no charge embedding": {**COMPLETE, "representation": NEMP, "conditions": []},
    "NEMP, local": {**LOCAL, "representation": NEMP},
    "EANN, local": {**LOCAL, "representation": EANN},
}
# Of energies to forces at the start and the end, in units of their spreads. Energies of the two silver ions differ by
# 5 eV/atom, which is the spread, and those of either by 0.1.
ENERGY_WEIGHTS = {"silver": (1.0, 100.0)}
ENERGY_WEIGHT = (0.01, 0.1)
# Nat. Commun. 2021, 12, 7273, table 1: energy meV/atom, forces meV/A, charges me.
PUBLISHED = {
    "SpookyNet": {
        "carbon": (0.364, 5.802, 0.117),
        "nacl": (0.135, 1.052, 0.111),
        "silver": (0.220, 26.64, 0.459),
        "gold": (0.107, 5.337, 1.013),
    },
    "4G-HDNNP": {
        "carbon": (1.194, 78.00, 6.577),
        "nacl": (0.481, 32.78, 15.83),
        "silver": (1.323, 31.69, 9.976),
        "gold": (0.219, 66.0, 5.698),
    },
    "2G-HDNNP, local": {
        "carbon": (1.619, 129.5, None),
        "nacl": (1.692, 57.39, None),
        "silver": (352.0, 1803, None),
        "gold": (2.287, 153.1, None),
    },
}
Errors = tuple[float, float, float | None]
RESULTS = Path(__file__).with_name("charge_transfer.json")
PICTURE = systems.ROOT / "docs" / "images" / "charge_transfer.png"


def configuration(name: str, model: str, path: Path, output: Path, epochs: int) -> RunConfig:
    """A run of one model on one set."""
    chosen = MODELS[model]
    weights = {"energy": ENERGY_WEIGHTS.get(name, ENERGY_WEIGHT), "forces": 1.0}
    values = {
        "data": {"train": str(path), "validation": 0.05, "test": 0.1},
        "model": {"hidden": [32, 32]} | chosen,
        "training": {
            "epochs": epochs,
            "batch_size": 10,
            "learning_rate": 4e-3,
            "weights": weights | ({"charges": 1.0} if "charges" in chosen["outputs"] else {}),
            "compile": True,
            "validate_every": max(1, epochs // 20),
        },
        "output": str(output),
    }
    return parse(RunConfig, values, where=__file__)


def result(name: str, model: str, count: int, minutes: float, output: Path) -> Errors:
    """Errors of one training, from the kept results if it is there."""
    key = f"{name}-{count}.xyz.gz, {model}, {minutes:g} minutes"
    found = keep(RESULTS, key, lambda: measure(name, model, count, minutes, output))
    print(key, found, flush=True)
    return tuple(found["errors"])


def measure(name: str, model: str, count: int, minutes: float, output: Path) -> dict[str, Any]:
    """Label, train and test."""
    path = make(name, count, output)
    folder = output / path.stem / model.replace(", ", "-").replace(" ", "-")
    pace = seconds_per_epoch(configuration(name, model, path, folder, 1), folder)
    epochs = max(2, math.floor(60 * minutes / pace))
    run = train(configuration(name, model, path, folder / f"{minutes:g}-minutes", epochs))
    errors = run.errors["test"]
    found = [1e3 * errors[q].rmse if q in errors else None for q in ("energy_per_atom", "forces", "charges")]
    median = float(np.median(np.abs(errors["forces"].predicted - errors["forces"].reference)))
    return {"epochs": epochs, "errors": found, "pace": pace, "median_forces": 1e3 * median}


def table(results: dict[str, dict[str, Errors]], counts: dict[str, int]) -> str:
    """Energies [meV/atom] / forces [meV/A] / charges [me] of the held-out frames."""
    heads = [f"{name}, {count} of {SETS[name].published} frames" for name, count in counts.items()]
    lines = ["| meV/atom / meV/A / me | " + " | ".join(heads) + " |", "|---|" + "--:|" * len(counts)]
    published = {f"{model}, published, PBE": errors for model, errors in PUBLISHED.items()}
    for model, errors in (results | published).items():
        lines.append(f"| {model} | " + " | ".join(cell(errors[name]) for name in counts) + " |")
    return "\n".join(lines)


def cell(errors: Errors) -> str:
    """Three errors, those that there are not as a dash."""
    return " / ".join("-" if error is None else f"{error:.2f}" if error < 10 else f"{error:.0f}" for error in errors)


def draw(results: dict[str, dict[str, Errors]], counts: dict[str, int]) -> None:
    """Force errors of each model, a panel for each set; dashed: published."""
    width = 2.2 * len(counts) + 2
    figure, panels = plt.subplots(
        1, len(counts), figsize=(width, 3.6), sharey=True, layout="constrained", squeeze=False
    )
    for panel, name in zip(panels[0], counts, strict=True):
        panel.barh(list(results), [errors[name][1] for errors in results.values()], color="#1f77b4")
        for (model, errors), color in zip(PUBLISHED.items(), ("#2ca02c", "#e07b00", "#888888"), strict=True):
            panel.axvline(errors[name][1], ls="--", color=color, label=f"{model}, PBE")
        panel.set(xscale="log", title=name, xlabel="force RMSE [meV/Å]")
    panels[0, 0].invert_yaxis()  # of all, which share it
    panels[0, -1].legend(fontsize=7)
    figure.savefig(PICTURE, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2.0, help="training time of each model on each set")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--frames", nargs="+", type=int, help="of each set, or one for all; as published if left out")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument(
        "--output", type=Path, default=Path("runs/charge-transfer"), help="folder of sets and trainings"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    # Of charges and spins that a model ignores, or that a set has none of: both are what is compared here.
    warnings.simplefilter("ignore", AtnnWarning)
    print(systems.machine(), flush=True)
    counts = sizes(arguments.sets, arguments.frames)
    results: dict[str, dict[str, Errors]] = {model: {} for model in arguments.models}
    for name, count in counts.items():
        for model in arguments.models:
            results[model][name] = result(name, model, count, arguments.minutes, arguments.output)
    print("\n" + table(results, counts))
    for name, count in counts.items():
        ends = (f"{name}-{count}.", f", {arguments.minutes:g} minutes")
        values = [
            v["median_forces"]
            for key, v in read_kept(RESULTS).items()
            if key.startswith(ends[0]) and key.endswith(ends[1])
        ]
        print(f"{name}: half of all force components of each model within {min(values):.1f} to {max(values):.1f} meV/A")
    if len(results) == len(MODELS) and len(counts) == len(SETS):
        draw(results, counts)


if __name__ == "__main__":
    try:
        main()
    except AtnnError as error:
        raise SystemExit(str(error)) from error
