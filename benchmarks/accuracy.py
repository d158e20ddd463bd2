"""Accuracy against cost of every representation, with equal training time on five shared data sets.

    OMP_NUM_THREADS=1 python benchmarks/accuracy.py --minutes 2 [--seeds 1] [--sets 3bpa water] [--models neat reann]

Each training gets the same time on one core, compilation not counted: a few epochs measure the pace, from which the
number of epochs and with it the schedule follows. Everything is kept under --output, so a second call goes on where
the first was stopped, and with everything finished it only writes the table and the picture. The data are those
under ATNN_DATA; they are parts of the published sets, so published errors compare in kind only.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import matplotlib
import torch
from timing import seconds

import systems
from atnn.data import read
from atnn.errors import AtnnError
from atnn.files import write_atomically
from atnn.model import Model, load_model
from atnn.model.compiled import CompiledModel
from atnn.model.presets import PRESETS
from atnn.neighbors import neighbor_pairs
from atnn.specification import parse
from atnn.structures import Structures
from atnn.training import RunConfig, evaluate, read_history, train

matplotlib.use("Agg")
import matplotlib.pyplot as plt

MODELS: dict[str, dict[str, Any]] = {
    "acsf": {"representation": {"name": "acsf", "cutoff": 5.0}, "hidden": [32, 32]},
    "gmp": {"representation": {"name": "gmp", "cutoff": 5.0}, "hidden": [32, 32], "networks": "shared"},
    "eann": {
        "representation": {"name": "eann", "cutoff": 5.0, "channels": 12, "contraction": 32},
        "hidden": [32, 32],
    },
    "reann": PRESETS["fast"],
    "equireann": {
        "representation": {"name": "equireann", "cutoff": 5.0, "channels": 12, "rounds": 1, "densities": 60,
                           "hidden": [32, 32]},
        "hidden": [32, 32],
    },
    "nemp": {
        "representation": {"name": "nemp", "cutoff": 5.0, "channels": 16, "radial": 8, "rounds": 2, "hidden": [32]},
        "hidden": [32],
    },
    "neat": PRESETS["accurate"],
}  # fmt: skip
# Files under ATNN_DATA to train and to test on; how many training frames validate.
SETS: dict[str, dict[str, Any]] = {
    "3bpa": {
        "train": "3bpa/train_300K.xyz.gz", "isolated": "3bpa/iso_atoms.xyz", "validation": 50, "batch_size": 5,
        "tests": {f"{t} K": f"3bpa/ood_dev_{t}K.xyz" for t in (300, 600, 1200)},
    },
    "aspirin": {
        "train": "rmd17_aspirin/train.xyz.gz", "validation": 200, "batch_size": 5,
        "tests": {"test": "rmd17_aspirin/test.xyz.gz"},
    },
    "water": {
        "train": "water_deepmd/data_1.xyz.gz", "validation": 10, "batch_size": 1,
        "tests": {"test": "water_deepmd/data_0.xyz.gz"},
    },
    "lips": {"train": "lips/frames.xyz.gz", "validation": 10, "test": 30, "batch_size": 1, "tests": {}},
    "co2_ni100": {"train": "co2_ni100/frames.xyz.gz", "validation": 40, "test": 150, "batch_size": 4, "tests": {}},
}  # fmt: skip
PACE_EPOCHS = 4


def configuration(data: str, model: str, seed: int, output: Path, epochs: int) -> RunConfig:
    """A run of one model on one set."""
    chosen = SETS[data]
    paths = {"train": str(systems.data(*chosen["train"].split("/"))), "validation": chosen["validation"]}
    if "isolated" in chosen:
        paths["isolated"] = str(systems.data(*chosen["isolated"].split("/")))
    values = {
        "data": paths | ({"test": chosen["test"]} if "test" in chosen else {}),
        "model": MODELS[model],
        "training": {
            "epochs": epochs,
            "batch_size": chosen["batch_size"],
            "learning_rate": 5e-3,
            "weights": {"energy": [0.003, 0.03], "forces": 1},
            "compile": True,
            "validate_every": max(1, epochs // 20),
        },
        "output": str(output),
        "seed": seed,
    }
    return parse(RunConfig, values, where="benchmarks/accuracy.py")


def epochs_in(minutes: float, data: str, model: str, folder: Path) -> int:
    """Number of epochs that fill the time, from the pace of the first few; measured once and kept."""
    path = folder / "pace.json"
    if not path.exists():
        train(configuration(data, model, 0, folder / "pace", PACE_EPOCHS))
        times = [row["seconds"] for row in read_history(folder / "pace")]
        # The first epoch compiles.
        write_atomically(path, json.dumps({"seconds_per_epoch": (times[-1] - times[0]) / (len(times) - 1)}))
    return max(2, math.floor(60 * minutes / json.loads(path.read_text())["seconds_per_epoch"]))


def result(data: str, model: str, seed: int, minutes: float, output: Path) -> dict[str, Any]:
    """Errors, cost and learning curve of one training, from the folder if it is finished."""
    folder = output / data / model
    path = folder / f"{minutes:g}-minutes-seed-{seed}" / "result.json"
    if not path.exists():
        epochs = epochs_in(minutes, data, model, folder)
        run = train(configuration(data, model, seed, path.parent, epochs))
        errors = {name: evaluate(run.model, read(systems.data(*file.split("/")))) for name, file in
                  SETS[data]["tests"].items()} or {"test": run.errors["test"]}  # fmt: skip
        curve = [(row["seconds"], row["validation_forces"]) for row in run.history]
        found = {
            "errors": {name: {q: 1e3 * e[q].rmse for q in ("energy", "forces")} for name, e in errors.items()},
            "epochs": epochs,
            "curve": [(t - curve[0][0], f) for t, f in curve],
        }
        write_atomically(path, json.dumps(found))
    return json.loads(path.read_text())


def cost(model: str, output: Path) -> dict[str, float]:
    """Compiled energy and forces, microseconds per atom, on 64 waters and on a molecule of 27 atoms."""
    path = output / f"cost-{model}.json"
    if not path.exists():
        weights = load_model(next((output / "3bpa" / model).glob("*-minutes-*/model.atnn")))
        graph = CompiledModel(weights)
        found = {name: time_per_atom(weights, graph, name) for name in ("water192", "mol27")}
        write_atomically(path, json.dumps(found | {"parameters": sum(p.numel() for p in weights.parameters())}))
    return json.loads(path.read_text())


def time_per_atom(model: Model, graph: CompiledModel, name: str) -> float:
    """Median microseconds per atom."""
    frames = systems.systems()[name]
    structures = Structures.from_ase(frames).to(dtype=model.dtype)
    inputs = model.prepare(structures, neighbor_pairs(structures, model.cutoff))
    return 1e6 * seconds(lambda: graph(inputs, ("energy", "forces")))[0] / sum(map(len, frames))


def table(results: dict, costs: dict, seeds: int) -> str:
    """Force errors [meV/A] and, for the first test, energy errors [meV]; means and half ranges over the seeds."""
    columns = [(data, test) for data in results for test in next(iter(results[data].values()))[0]["errors"]]
    lines = ["| model | parameters | us/atom, 64 waters | " + " | ".join(f"{d}, {t}" for d, t in columns) + " |"]
    lines.append("|---|--:|--:|" + "--:|" * len(columns))
    for model, price in costs.items():
        cells = []
        for data, test in columns:
            runs = [r["errors"][test] for r in results[data][model]]
            parts = []
            for quantity in ("energy", "forces"):
                values = [run[quantity] for run in runs]
                spread = f" ± {(max(values) - min(values)) / 2:.1f}" if seeds > 1 else ""
                parts.append(f"{sum(values) / len(values):.1f}{spread}")
            cells.append(" / ".join(parts))
        lines.append(f"| {model} | {price['parameters']} | {price['water192']:.0f} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def picture(results: dict, costs: dict, path: Path) -> None:
    """Above, error against the cost of inference; below, against training time."""
    figure, axes = plt.subplots(2, len(results), figsize=(3.3 * len(results), 6.4), squeeze=False)
    colors = {model: f"C{k}" for k, model in enumerate(costs)}
    for column, (data, by_model) in enumerate(results.items()):
        above, below = axes[:, column]
        for model, runs in by_model.items():
            errors = [next(iter(run["errors"].values()))["forces"] for run in runs]
            price = costs[model]["water192"]
            above.scatter([price] * len(errors), errors, color=colors[model], s=22)
            above.annotate(model, (price, min(errors)), xytext=(4, 3), textcoords="offset points", fontsize=8)
            minutes, curve = zip(*((t / 60, 1e3 * f) for t, f in runs[0]["curve"]), strict=True)
            below.plot(minutes, curve, color=colors[model], label=model, lw=1.4)
        above.set(title=data, xscale="log", yscale="log", xlabel="µs/atom, 64 waters")
        below.set(yscale="log", xlabel="minutes of training")
    axes[0, 0].set_ylabel("force RMSE, meV/Å")
    axes[1, 0].set_ylabel("validation force RMSE, meV/Å")
    axes[1, -1].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2.0, help="training time of each model on each set")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--output", type=Path, default=Path("runs-accuracy"), help="folder of the trainings")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(systems.machine(), flush=True)
    results: dict[str, dict[str, list]] = {data: {} for data in arguments.sets}
    for data in arguments.sets:
        for model in arguments.models:
            runs = [result(data, model, k, arguments.minutes, arguments.output) for k in range(arguments.seeds)]
            results[data][model] = runs
            print(data, model, runs[0]["epochs"], "epochs", runs[0]["errors"], flush=True)
    costs = {model: cost(model, arguments.output) for model in arguments.models}
    print("\n" + table(results, costs, arguments.seeds))
    picture(results, costs, systems.ROOT / "docs" / "images" / "accuracy.png")


if __name__ == "__main__":
    try:
        main()
    except AtnnError as error:
        raise SystemExit(str(error)) from error
