"""Accuracy against cost of every representation, with equal training time on five shared data sets.

    OMP_NUM_THREADS=1 python -m benchmarks.science.accuracy --minutes 2 [--seeds 1] [--sets 3bpa] [--models neat reann]

Each training gets the same processor time for its steps: a few of them are measured, from which the number of epochs
and with it the schedule follows. A second call goes on where the first was stopped; finished trainings are kept in
benchmarks/accuracy.json, and with all of them there only the table and the picture are written. The data are those
under ATNN_DATA; they are parts of the published sets, so published errors compare in kind only.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from pathlib import Path
from typing import Any

import matplotlib
import torch
from benchmarks import systems
from benchmarks.kept import keep
from benchmarks.timing import seconds

from atnn.errors import AtnnError
from atnn.files import write_atomically
from atnn.model import Model, ModelSpecification
from atnn.model.compiled import CompiledModel
from atnn.model.presets import PRESETS
from atnn.neighbors import neighbor_pairs
from atnn.reading import read
from atnn.specification import parse
from atnn.structures import Structures
from atnn.training import ModelConfig, RunConfig, evaluate, train
from atnn.training.initial import initial_model
from atnn.training.plan import Plan
from atnn.training.sets import open_sets
from atnn.training.step import Batch, Step, make_batch

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
RESULTS = Path(__file__).with_name("accuracy.json")
STEPS = 10  # whose time is measured


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
            "learning_rate": 4e-3,
            "loss": "huber",
            "clip": 0.5,
            "weights": {"energy": [0.003, 0.03], "forces": 1},
            "compile": True,
            "validate_every": max(1, epochs // 20),
        },
        "output": str(output),
        "seed": seed,
    }
    return parse(RunConfig, values, where="benchmarks/accuracy.py")


def seconds_per_epoch(config: RunConfig, folder: Path) -> float:
    """Processor time of the steps of an epoch; measured once and kept, so that a busy machine changes nothing."""
    path = folder / "pace.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        sets = open_sets(config, folder, resumed=False)
        network, spreads = initial_model(config, sets)
        names = list(config.training.weights)
        step = Step(network, names, [spreads[name] for name in names], config.training.loss, True)
        plan = Plan(config.training, sets.train, config.seed)(0)
        batches = [make_batch(network, sets.train[chosen], names) for chosen in plan[:STEPS]]
        times = [processor_time(step, batch) for batch in batches]
        # The first two trace and compile.
        write_atomically(path, json.dumps(statistics.median(times[2:]) * len(plan)))
    return json.loads(path.read_text())


def processor_time(step: Step, batch: Batch) -> float:
    """Seconds of one step, the smaller of two."""
    factors = torch.ones(len(step.names)) / batch.counts.clamp(min=1)
    times = []
    for _ in range(2):
        start = time.process_time()
        step(batch, factors.to(torch.float32))
        times.append(time.process_time() - start)
    return min(times)


def result(data: str, model: str, seed: int, minutes: float, output: Path) -> dict[str, Any]:
    """Errors and learning curve of one training, from the kept results if it is there."""
    key = f"{data}, {model}, {minutes:g} minutes, seed {seed}"
    return keep(RESULTS, key, lambda: measure(data, model, seed, minutes, output))


def measure(data: str, model: str, seed: int, minutes: float, output: Path) -> dict[str, Any]:
    """Train, and test on all sets."""
    folder = output / data / model
    pace = seconds_per_epoch(configuration(data, model, 0, folder, 1), folder)
    epochs = max(2, math.floor(60 * minutes / pace))
    run = train(configuration(data, model, seed, folder / f"{minutes:g}-minutes-seed-{seed}", epochs))
    tests = SETS[data]["tests"].items()
    errors = {name: evaluate(run.model, read(systems.data(*file.split("/")))) for name, file in tests}
    errors = errors or {"test": run.errors["test"]}
    return {
        "errors": {name: {q: 1e3 * e[q].rmse for q in ("energy", "forces")} for name, e in errors.items()},
        "epochs": epochs,
        "curve": [(row["epoch"] * pace, row["validation_forces"]) for row in run.history],
    }


def cost(model: str) -> dict[str, float]:
    """Compiled energy and forces, microseconds per atom, on 64 waters; weights do not matter."""
    return keep(RESULTS, f"cost, {model}", lambda: measure_cost(model))


def measure_cost(model: str) -> dict[str, float]:
    """Compile a model with random weights, and time it."""
    values = parse(ModelConfig, MODELS[model], where=model).model_dump(exclude={"preset"})
    network = Model(parse(ModelSpecification, values | {"elements": (1, 6, 7, 8)}, where=model)).float()
    graph, parameters = CompiledModel(network), sum(p.numel() for p in network.parameters())
    return {"water192": time_per_atom(network, graph, "water192"), "parameters": parameters}


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
    costs = {model: cost(model) for model in arguments.models}
    print("\n" + table(results, costs, arguments.seeds))
    picture(results, costs, systems.ROOT / "docs" / "images" / "accuracy.png")


if __name__ == "__main__":
    try:
        main()
    except AtnnError as error:
        raise SystemExit(str(error)) from error
