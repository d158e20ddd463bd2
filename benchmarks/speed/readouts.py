"""What readouts of properties add to the time of energy and forces.

    OMP_NUM_THREADS=1 taskset -c 0 python -m benchmarks.speed.readouts [--models reann,neat] [--output readouts.json]

All representations at their default sizes, compiled, float32, pairs given, on 64 water molecules in a cell. Every model
is asked in turn for energy and forces alone and with its properties; each ratio is the median over the turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from benchmarks import systems

from atnn.kernels import keep_memory
from atnn.model import REPRESENTATIONS, Model, ModelSpecification
from atnn.model.compiled import CompiledModel
from atnn.neighbors import neighbor_pairs
from atnn.structures import Structures

BASE = ("energy", "forces")
ASKED: dict[str, tuple[str, ...]] = {
    "dipole": ("dipole",),
    "dipole, polarizability": ("dipole", "polarizability"),
}
TURNS = 15


def measure(name: str) -> dict[str, float]:
    """Milliseconds of energy and forces, ratios with properties, and seconds of the longest compilation."""
    row = {"compilation [s]": 0.0}
    for words, properties in ASKED.items():
        specification = ModelSpecification(
            elements=(1, 8), representation={"name": name}, hidden=(64, 64), outputs=("energy", *properties)
        )
        model = Model(specification).float().requires_grad_(False)
        structures = Structures.from_ase(systems.waters(4)).to(dtype=model.dtype)
        graph, inputs = CompiledModel(model), model.prepare(structures, neighbor_pairs(structures, model.cutoff))
        start = time.perf_counter()
        graph(inputs, BASE + properties)
        row["compilation [s]"] = max(row["compilation [s]"], time.perf_counter() - start)
        base, whole = take_turns(lambda: graph(inputs, BASE), lambda: graph(inputs, BASE + properties))  # noqa: B023
        row["energy + forces [ms]"] = 1e3 * statistics.median(base)
        row[words] = statistics.median(b / a for a, b in zip(base, whole, strict=True))
    return row


def take_turns(*calls) -> list[list[float]]:
    """Seconds of each call, ``TURNS`` times one after the other."""
    found: list[list[float]] = [[] for _ in calls]
    for turn in range(TURNS + 2):
        for call, times in zip(calls, found, strict=True):
            start = time.perf_counter()
            call()
            if turn > 1:  # the first two warm up
                times.append(time.perf_counter() - start)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(sorted(REPRESENTATIONS)), help="representations, by comma")
    parser.add_argument("--output", type=Path, help="file for the numbers")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_memory()
    print(systems.machine())
    print(
        "| representation | energy + forces, ms | "
        + " | ".join(f"with {words}" for words in ASKED)
        + " | compilation, s |"
    )
    print("|---|--:|" + "--:|" * (len(ASKED) + 1), flush=True)
    rows = {}
    for name in arguments.models.split(","):
        row = rows[name] = measure(name)
        cells = [f"{row['energy + forces [ms]']:.1f}", *(f"{row[words]:.2f}" for words in ASKED)]
        print(f"| {name} | " + " | ".join([*cells, f"{row['compilation [s]']:.0f}"]) + " |", flush=True)
    if arguments.output:
        arguments.output.write_text(json.dumps({"machine": systems.machine(), "models": rows}, indent=1))


if __name__ == "__main__":
    main()
