"""Cost and memory per atom of energy and forces as systems grow from 192 to 12 288 atoms of water.

    OMP_NUM_THREADS=1 python -m benchmarks.speed.scaling [--models accurate fast]

Compiled, float32, one core, pairs given. Every size is measured in a process of its own; memory is what the peak of
the process grows by beyond that of 192 atoms, per atom.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys

import torch
from benchmarks import systems
from benchmarks.timing import seconds

from atnn.kernels import keep_memory
from atnn.model import Model, ModelSpecification
from atnn.model.compiled import CompiledModel
from atnn.model.presets import PRESETS
from atnn.neighbors import neighbor_pairs
from atnn.structures import Structures

EDGES = (4, 8, 16)  # waters along the edge of the box
OUTPUTS = ("energy", "forces")


def measured(preset: str, edge: int) -> dict[str, float]:
    """Microseconds per atom and peak memory of this process [kB]."""
    model = Model(ModelSpecification(elements=(1, 8), **PRESETS[preset])).float().requires_grad_(False)
    graph = CompiledModel(model)
    for n in (EDGES[0], edge):
        structures = Structures.from_ase([systems.waters(n)]).to(dtype=model.dtype)
        inputs = model.prepare(structures, neighbor_pairs(structures, model.cutoff))
        graph(inputs, OUTPUTS)
    atoms = 3 * edge**3
    time = 1e6 * seconds(lambda: graph(inputs, OUTPUTS), repeats=5)[0] / atoms
    return {"atoms": atoms, "us": time, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=PRESETS, default=list(PRESETS))
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_memory()
    if arguments.one:
        print(json.dumps(measured(arguments.one[0], int(arguments.one[1]))))
        return
    print(systems.machine())
    print("| preset | atoms | us/atom | kB/atom |\n|---|--:|--:|--:|")
    for preset in arguments.models:
        base = None
        for edge in EDGES:
            command = [sys.executable, "-m", "benchmarks.speed.scaling", "--one", preset, str(edge)]
            output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            row = json.loads(output.splitlines()[-1])
            base = base or row
            memory = f"{(row['peak'] - base['peak']) / (row['atoms'] - base['atoms']):.0f}" if row is not base else "-"
            print(f"| {preset} | {row['atoms']} | {row['us']:.1f} | {memory} |", flush=True)


if __name__ == "__main__":
    main()
