"""What responses of a model in an electric field cost, in units of its energy and forces.

    OMP_NUM_THREADS=1 taskset -c 0 python -m benchmarks.speed.fields [--models reann,neat] [--output fields.json]

All representations at their default sizes, compiled, float32, pairs given, on 64 water molecules in a cell. The
polarizability is six second derivatives of the energy by the field. Compile times include the tracing. The last column
is the time of energy and forces beside that of the same model without a field.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from benchmarks import systems
from benchmarks.speed.table import tabulate
from benchmarks.timing import seconds

from atnn.model import Model, ModelSpecification
from atnn.model.compiled import CompiledModel
from atnn.model.inputs import Inputs
from atnn.neighbors import neighbor_pairs
from atnn.structures import Structures

BASE = ("energy", "forces")
ASKED: dict[str, tuple[str, ...]] = {
    "dipole": ("dipole",),
    "polarizability": ("polarizability",),
    "all four": (*BASE, "dipole", "polarizability"),
}


def prepare(name: str, conditions: Sequence[str]) -> tuple[CompiledModel, Inputs]:
    """A compiled model and its inputs."""
    specification = ModelSpecification(
        elements=(1, 8), representation={"name": name}, conditions=tuple(conditions), hidden=(64, 64)
    )
    model = Model(specification).float().requires_grad_(False)
    structures = Structures.from_ase(systems.waters(4)).to(dtype=model.dtype)
    if conditions:
        structures = structures.replace(field=torch.tensor([[0.1, 0.0, 0.05]]))
    return CompiledModel(model), model.prepare(structures, neighbor_pairs(structures, model.cutoff))


def measure(graph: CompiledModel, inputs: Inputs, outputs: tuple[str, ...]) -> tuple[float, float]:
    """Milliseconds of a call, and seconds of its compilation."""
    start = time.perf_counter()
    graph(inputs, outputs)
    compilation = time.perf_counter() - start
    return 1e3 * seconds(lambda: graph(inputs, outputs), repeats=5)[0], compilation


def measure_model(name: str) -> dict[str, float]:
    """The row of a model."""
    bare, _ = measure(*prepare(name, ()), BASE)
    graph, inputs = prepare(name, ("field",))
    base, compilation = measure(graph, inputs, BASE)
    row = {"energy + forces [ms]": base, "compilation [s]": compilation, "field / none": base / bare}
    for words, outputs in ASKED.items():
        spent, compilation = measure(graph, inputs, outputs)
        row |= {words: spent / base, f"{words}, compilation [s]": compilation}
    return row


def show(row: dict[str, float]) -> list[str]:
    """The cells of a row."""
    longest = max(value for key, value in row.items() if "compilation" in key)
    ratios = [f"{row[words]:.2f}" for words in ASKED]
    return [f"{row['energy + forces [ms]']:.1f}", *ratios, f"{longest:.0f}", f"{row['field / none']:.2f}"]


if __name__ == "__main__":
    head = ("energy + forces, ms", *ASKED, "longest compilation, s", "with / without")
    tabulate(__doc__, head, measure_model, show)
