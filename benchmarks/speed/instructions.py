"""Times of the fused kernels for each set of instructions that the wheel brings, beside the plain PyTorch versions.

taskset -c 0 python -m benchmarks.speed.instructions
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from benchmarks import systems

from atnn import kernels
from atnn.kernels import loading
from atnn.kernels.build import build, find_compiler
from atnn.kernels.prebuilt import ARCHITECTURES

ATOMS, NEIGHBORS, COMPONENTS, CHANNELS, GAUSSIANS, REPEATS = 300, 60, 9, 16, 8, 15
PLAIN = "plain PyTorch"


def main() -> None:
    compiler = find_compiler()
    assert compiler is not None
    columns = {PLAIN: time_library("")}
    known = list(ARCHITECTURES)
    for name in known[: known.index(torch.backends.cpu.get_cpu_capability()) + 1]:
        with tempfile.TemporaryDirectory() as folder:
            library = Path(folder) / "kernels.so"
            build(compiler, library, ARCHITECTURES[name])
            columns[name] = time_library(str(library))
    print(f"{systems.machine()}, one thread, {ATOMS} atoms with {NEIGHBORS} neighbors, best of {REPEATS} [us]\n")
    print(f"| operation | {' | '.join(columns)} |\n|---|{'--:|' * len(columns)}")
    for operation in columns[PLAIN]:
        print(f"| {operation} | {' | '.join(f'{times[operation]:.0f}' for times in columns.values())} |")


def time_library(library: str) -> dict[str, float]:
    """Time all operations in a process of their own, because a library cannot be taken back."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | ({} if library else {"ATNN_KERNELS": "reference"})
    command = [sys.executable, "-m", "benchmarks.speed.instructions", "--worker", library]
    return json.loads(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def work(library: str) -> None:
    loading.find_prebuilt = lambda: Path(library) if library else None
    torch.set_num_threads(1)
    print(json.dumps({name: 1e6 * time_best(run) for name, run in operations()}))


def time_best(run: Callable[[], object]) -> float:
    run()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def operations() -> Iterator[tuple[str, Callable[[], object]]]:
    generator = torch.Generator().manual_seed(0)
    pairs = ATOMS * NEIGHBORS
    offsets = torch.arange(0, pairs + 1, NEIGHBORS)
    i = torch.repeat_interleave(torch.arange(ATOMS), NEIGHBORS)
    kind = torch.randint(0, 2, (pairs,), generator=generator)
    for dtype in (torch.float32, torch.float64):
        angular, radial, square = (
            torch.rand(pairs, *tail, generator=generator).to(dtype) for tail in ((COMPONENTS,), (CHANNELS,), ())
        )
        exponents, amplitudes = (
            torch.rand(2, *head, GAUSSIANS, CHANNELS, generator=generator).to(dtype) for head in ((), (3,))
        )
        word = str(dtype).removeprefix("torch.")
        yield f"moments, {word}", lambda a=angular, r=radial: kernels.moments(a, r, i, offsets)
        yield f"gaussian_sums, {word}", lambda s=square, e=exponents, a=amplitudes: kernels.gaussian_sums(s, kind, e, a)


if __name__ == "__main__":
    work(sys.argv[2]) if sys.argv[1:2] == ["--worker"] else main()
