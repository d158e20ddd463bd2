"""Random access to the store: frames per second on one core, against the number of frames in the file.

The second number is per second of processor time: what an idle machine gives.

    python -m benchmarks.speed.store

Writes stores of 27-atom frames with energies and forces to a temporary folder and reads random batches.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from atnn.data import Store, write_store
from atnn.structures import Labelled, Structures

ATOMS, CHUNK = 27, 2000


def frames(count: int) -> Iterator[Labelled]:
    """Random frames, a chunk at a time."""
    generator = torch.Generator().manual_seed(0)
    for start in range(0, count, CHUNK):
        size = min(CHUNK, count - start)
        structures = Structures(
            positions=torch.randn(size * ATOMS, 3, generator=generator, dtype=torch.float64),
            numbers=torch.randint(1, 9, (size * ATOMS,), generator=generator),
            cell=torch.zeros(size, 3, 3, dtype=torch.float64),
            pbc=torch.zeros(size, 3, dtype=torch.bool),
            batch=torch.repeat_interleave(torch.arange(size), ATOMS),
        )
        labels = {
            "energy": torch.randn(size, generator=generator, dtype=torch.float64),
            "forces": torch.randn(size * ATOMS, 3, generator=generator, dtype=torch.float64),
        }
        yield Labelled(structures, labels, {name: torch.ones(size, dtype=torch.bool) for name in labels})


def frames_per_second(store: Store, batch: int, seconds: float = 2.0) -> str:
    """Random batches read in the given time: frames per second of the clock / of the processor."""
    rng, done = np.random.default_rng(0), 0
    start, processor = time.perf_counter(), time.process_time()
    while (elapsed := time.perf_counter() - start) < seconds:
        store[rng.integers(0, len(store), batch)]
        done += batch
    return f"{done / elapsed:.0f} / {done / (time.process_time() - processor):.0f}"


def main() -> None:
    """Print a table."""
    torch.set_num_threads(1)
    print("frames in file   MB on disk   write frames/s   random frames/s at batch 16      at batch 32   memory MB")
    with tempfile.TemporaryDirectory() as folder:
        for count in (1_000, 100_000, 1_000_000):
            start = time.perf_counter()
            store = write_store(Path(folder, "a.h5"), frames(count))
            written = count / (time.perf_counter() - start)
            speeds = [frames_per_second(store, batch) for batch in (16, 32)]
            memory = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
            size = store.path.stat().st_size / 1e6
            print(f"{count:14d} {size:12.1f} {written:16.0f} {speeds[0]:>29s} {speeds[1]:>16s} {memory:11.0f}")


if __name__ == "__main__":
    main()
