"""Energy and force errors on 3BPA at 300, 600 and 1200 K of EANN and REANN trained on frames of 300 K.

    OMP_NUM_THREADS=1 python benchmarks/accuracy_3bpa.py --minutes 10 [--output runs-3bpa]

The data under ATNN_DATA hold half of the mixed-temperature set for testing, not the published test files: published
numbers compare in kind only. Run again to go on with unfinished trainings; with both finished it only prints.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

import systems
from atnn.data import read
from atnn.specification import parse, read_yaml
from atnn.training import RunConfig, evaluate, train
from atnn.training.config import expanded

MODELS = {
    "EANN": {"name": "eann", "cutoff": 5.0, "channels": 12, "contraction": 32},
    "REANN": {"name": "reann", "cutoff": 5.0, "channels": 12, "rounds": 1, "densities": 60, "hidden": [32, 32]},
}


def configuration(representation: dict, output: Path, minutes: float) -> RunConfig:
    """examples/3bpa.yaml with another representation, output and time."""
    values = read_yaml(systems.ROOT / "examples" / "3bpa.yaml")
    values["model"]["representation"] = representation
    values["training"]["max_minutes"] = minutes
    values["output"] = str(output)
    return expanded(parse(RunConfig, values, where="examples/3bpa.yaml"), "examples/3bpa.yaml")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="longest time of each training in this call")
    parser.add_argument("--output", type=Path, default=Path("runs-3bpa"), help="folder of the trainings")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(systems.machine())
    lines = ["| model | epochs | s/epoch | 300 K, meV / meV/A | 600 K | 1200 K |", "|---|--:|--:|--:|--:|--:|"]
    for name, representation in MODELS.items():
        config = configuration(representation, arguments.output / name, arguments.minutes)
        result = train(config)
        cells = []
        for kelvin in (300, 600, 1200):
            errors = evaluate(result.model, read(systems.data("3bpa", f"ood_dev_{kelvin}K.xyz")))
            cells.append(f"{1e3 * errors['energy'].rmse:.1f} / {1e3 * errors['forces'].rmse:.1f}")
        last = result.history[-1] if result.history else {"epoch": 0, "seconds": 0.0}
        pace = last["seconds"] / max(last["epoch"], 1)
        lines.append(f"| {name} | {last['epoch']:.0f} | {pace:.2f} | " + " | ".join(cells) + " |")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
