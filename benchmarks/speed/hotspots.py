"""Where the time of a compiled model goes, operation by operation.

OMP_NUM_THREADS=1 taskset -c 0 python -m benchmarks.speed.hotspots reann water192
"""

from __future__ import annotations

import sys

import torch
import torch._inductor.config
from benchmarks import systems
from benchmarks.speed.inference import OURS, OUTPUTS
from torch.profiler import ProfilerActivity, profile

from atnn.model import Model, ModelSpecification
from atnn.model.compiled import CompiledModel
from atnn.neighbors import neighbor_pairs
from atnn.structures import Structures

CALLS = 20


def main() -> None:
    wanted, system = (*sys.argv[1:], "reann", "water192")[:2]
    torch.set_num_threads(1)
    torch._inductor.config.cpp.enable_kernel_profile = True
    specification = next(s for s in OURS.values() if s["representation"]["name"] == wanted)
    model = Model(ModelSpecification(elements=(1, 6, 7, 8, 29), **specification)).float().eval()
    structures = Structures.from_ase(systems.systems()[system]).to(dtype=torch.float32)
    inputs, graph = model.prepare(structures, neighbor_pairs(structures, model.cutoff)), CompiledModel(model)
    for _ in range(5):
        graph(inputs, OUTPUTS)
    with profile(activities=[ProfilerActivity.CPU]) as found:
        for _ in range(CALLS):
            graph(inputs, OUTPUTS)
    rows = sorted(found.key_averages(), key=lambda row: -row.self_cpu_time_total)
    total = sum(row.self_cpu_time_total for row in rows)
    print(f"{systems.machine()}\n{wanted} on {system}: {total / CALLS / 1e3:.2f} ms per call\n")
    print("| operation | calls | us per call of the model | part |\n|---|--:|--:|--:|")
    for row in rows[:15]:
        part = row.self_cpu_time_total / total
        print(f"| {row.key[:70]} | {row.count / CALLS:.0f} | {row.self_cpu_time_total / CALLS:.0f} | {part:.0%} |")


if __name__ == "__main__":
    main()
