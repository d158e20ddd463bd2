"""What each part of a model brings: one thing changed, on 3BPA, with equal numbers of epochs.

    OMP_NUM_THREADS=1 python -m benchmarks.science.ablations --epochs 20 [--output runs-accuracy/ablations]
    OMP_NUM_THREADS=1 python -m benchmarks.science.ablations --epochs 16 --variants eann eann-raw reann reann-raw

The first is of the accurate preset, NEAT. The second compares unit vectors with raw monomials, the published form.

Force errors on the validation part (50 frames at 300 K) and on frames at 300, 600 and 1200 K. A second call goes on
where the first was stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from benchmarks import systems
from benchmarks.science import accuracy

from atnn.reading import read
from atnn.representations import pair_functions
from atnn.training import RunConfig, evaluate, train

ADAM, SHARP = "Adam for all parameters", "radial functions as large as 2"
# Name -> model of the table of representations, and what of its representation is changed.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "preset accurate": ("neat", {}),
    "order 1": ("neat", {"order": 1}),
    "order 2": ("neat", {"order": 2}),
    "order 4": ("neat", {"order": 4}),
    "degree 1": ("neat", {"degree": 1}),
    "degree 3": ("neat", {"degree": 3}),
    "1 round": ("neat", {"rounds": 1}),
    "3 rounds": ("neat", {"rounds": 3}),
    "32 channels": ("neat", {"channels": 32}),
    "16 channels": ("neat", {"channels": 16}),
    ADAM: ("neat", {}),
    SHARP: ("neat", {}),
    "eann": ("eann", {}),
    "eann-raw": ("eann", {"monomials": "raw"}),
    "reann": ("reann", {}),
    "reann-raw": ("reann", {"monomials": "raw"}),
}
PARTS = [name for name, (model, _) in VARIANTS.items() if model == "neat"]


def configuration(name: str, folder: Path, epochs: int) -> RunConfig:
    """The run of a variant."""
    model, changes = VARIANTS[name]
    base = accuracy.MODELS[model]
    accuracy.MODELS[name] = base | {"representation": base["representation"] | changes}
    config = accuracy.configuration("3bpa", name, 0, folder, epochs)
    if name != ADAM:
        return config
    return config.model_copy(update={"training": config.training.model_copy(update={"optimizer": "adam"})})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=PARTS)
    parser.add_argument("--output", type=Path, default=Path("runs-accuracy/ablations"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(systems.machine())
    print("| model | parameters | s/epoch | validation | 300 K | 600 K | 1200 K |\n|---|--:|--:|--:|--:|--:|--:|")
    for name in arguments.variants:
        folder = arguments.output / name.replace(" ", "-")
        with mock.patch.object(pair_functions, "AMPLITUDE", 1.0 if name == SHARP else pair_functions.AMPLITUDE):
            run = train(configuration(name, folder, arguments.epochs))
        size = sum(p.numel() for p in run.model.parameters())
        first, last = run.history[0], run.history[-1]
        pace = (last["seconds"] - first["seconds"]) / (last["epoch"] - first["epoch"])
        files = [read(systems.data("3bpa", f"ood_dev_{kelvin}K.xyz")) for kelvin in (300, 600, 1200)]
        errors = [run.errors["validation"], *(evaluate(run.model, file) for file in files)]
        cells = " | ".join(f"{1e3 * e['forces'].rmse:.1f}" for e in errors)
        print(f"| {name} | {size} | {pace:.2f} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
