"""Errors on 3BPA of the presets, trained at length on frames of 300 K: what the accurate one reaches, and how fast.

    OMP_NUM_THREADS=1 python -m benchmarks.science.accuracy_3bpa --models accurate [--epochs 400] [--minutes 60]

Errors at 300, 600 and 1200 K are of half of the mixed-temperature set, not of the published test files, which the data
under ATNN_DATA do not hold: published numbers compare in kind only. Validation are 50 of the 500 frames. Run again
to go on with an unfinished training, with --epochs as before; with a finished one it only prints.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from benchmarks import systems

from atnn.model.presets import PRESETS
from atnn.reading import read
from atnn.specification import parse
from atnn.training import RunConfig, evaluate, train

ACCURATE = PRESETS["accurate"]
MODELS: dict[str, dict[str, Any]] = {
    "fast": PRESETS["fast"],
    "accurate": ACCURATE,
    "128 channels": ACCURATE | {"representation": ACCURATE["representation"] | {"channels": 128}},
}


def configuration(model: str, epochs: int, minutes: float | None, output: Path) -> RunConfig:
    """The run of a model."""
    values = {
        "data": {
            "train": str(systems.data("3bpa", "train_300K.xyz.gz")),
            "validation": 50,
            "isolated": str(systems.data("3bpa", "iso_atoms.xyz")),
        },
        "model": MODELS[model],
        "training": {
            "epochs": epochs,
            "batch_size": 5,
            "learning_rate": 3e-3,
            "loss": "huber",
            "clip": 0.5,
            "weight_decay": 0.1,
            "ema": 0.998,
            "weights": {"energy": [0.003, 0.2], "forces": 1},
            "compile": True,
            "validate_every": 5,
            "max_minutes": minutes,
        },
        "output": str(output / model.replace(" ", "-")),
    }
    return parse(RunConfig, values, where="benchmarks/accuracy_3bpa.py")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--epochs", type=int, default=400, help="of the whole training")
    parser.add_argument("--minutes", type=float, help="longest time of each training in this call")
    parser.add_argument("--output", type=Path, default=Path("runs-3bpa"), help="folder of the trainings")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(systems.machine(), flush=True)
    lines = [
        "| model | epochs | hours | validation, meV / meV/A | 300 K | 600 K | 1200 K |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name in arguments.models:
        run = train(configuration(name, arguments.epochs, arguments.minutes, arguments.output))
        files = [read(systems.data("3bpa", f"ood_dev_{kelvin}K.xyz")) for kelvin in (300, 600, 1200)]
        errors = [run.errors["validation"], *(evaluate(run.model, file) for file in files)]
        cells = " | ".join(f"{1e3 * e['energy'].rmse:.1f} / {1e3 * e['forces'].rmse:.1f}" for e in errors)
        last = run.history[-1] if run.history else {"epoch": 0.0, "seconds": 0.0}
        lines.append(f"| {name} | {last['epoch']:.0f} | {last['seconds'] / 3600:.2f} | {cells} |")
        for row in run.history:
            epoch, seconds, error = (row[key] for key in ("epoch", "seconds", "validation_forces"))
            print(f"{name}: epoch {epoch:.0f}, {seconds:.0f} s, validation forces {1e3 * error:.1f} meV/A")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
