"""What readouts of properties add to the time of energy and forces.

    OMP_NUM_THREADS=1 taskset -c 0 python -m benchmarks.speed.readouts [--models reann,neat] [--output readouts.json]

All representations at their default sizes, compiled, float32, pairs given, on 64 water molecules in a cell. Every model
is asked in turn for energy and forces alone and with its properties; each ratio is the median over the turns.
"""

from __future__ import annotations

import statistics
import time

from benchmarks import systems
from benchmarks.speed.table import tabulate

from atnn.model import Model, ModelSpecification
from atnn.model.compiled import CompiledModel
from atnn.neighbors import neighbor_pairs
from atnn.structures import Structures

BASE = ("energy", "forces")
ASKED: dict[str, tuple[str, ...]] = {
    "dipole": ("dipole",),
    "dipole, polarizability": ("dipole", "polarizability"),
}
TURNS = 15


def measure_model(name: str) -> dict[str, float]:
    """The row of a representation."""
    row = {"compilation [s]": 0.0}
    for words, properties in ASKED.items():
        milliseconds, row[words], compilation = compare(name, properties)
        row |= {"energy + forces [ms]": milliseconds, "compilation [s]": max(row["compilation [s]"], compilation)}
    return row


def compare(name: str, properties: tuple[str, ...]) -> tuple[float, float, float]:
    """Milliseconds of energy and forces, the ratio of a call with properties to these, and seconds to compile it."""
    specification = ModelSpecification(
        elements=(1, 8), representation={"name": name}, hidden=(64, 64), outputs=("energy", *properties)
    )
    model = Model(specification).float().requires_grad_(False)
    structures = Structures.from_ase(systems.waters(4)).to(dtype=model.dtype)
    graph, inputs = CompiledModel(model), model.prepare(structures, neighbor_pairs(structures, model.cutoff))

    def call(outputs: tuple[str, ...]) -> float:
        start = time.perf_counter()
        graph(inputs, outputs)
        return time.perf_counter() - start

    compilation = call(BASE + properties)
    turns = [(call(BASE), call(BASE + properties)) for _ in range(TURNS + 2)][2:]  # the first two warm up
    milliseconds = 1e3 * statistics.median(base for base, _ in turns)
    return milliseconds, statistics.median(whole / base for base, whole in turns), compilation


def show(row: dict[str, float]) -> list[str]:
    """The cells of a row."""
    ratios = [f"{row[words]:.2f}" for words in ASKED]
    return [f"{row['energy + forces [ms]']:.1f}", *ratios, f"{row['compilation [s]']:.0f}"]


if __name__ == "__main__":
    head = ("energy + forces, ms", *(f"with {words}" for words in ASKED), "longest compilation, s")
    tabulate(__doc__, head, measure_model, show)
