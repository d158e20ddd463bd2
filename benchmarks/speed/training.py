"""Seconds per 500 frames of 3BPA at batch 16, energy and force loss, REANN (3 rounds, 5 A), one core, float32.

    OMP_NUM_THREADS=1 taskset -c 0 python -m benchmarks.speed.training

Pair lists, batching, gradients, optimizer and averaging are all included; validation is not.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile

import torch
from benchmarks import systems

from atnn.kernels import keep_memory
from atnn.training import DataConfig, ModelConfig, RunConfig, TrainingConfig, train

FRAMES, BATCH, EPOCHS = 450, 16, 8


def epochs(compiled: bool) -> list[float]:
    """Seconds of each epoch after the first two, scaled to 500 frames."""
    config = RunConfig(
        data=DataConfig(
            train=str(systems.data("3bpa", "train_300K.xyz.gz")),
            validation=500 - FRAMES,
            isolated=str(systems.data("3bpa", "iso_atoms.xyz")),
        ),
        model=ModelConfig(representation={"name": "reann", "cutoff": 5.0, "channels": 8, "rounds": 3}),
        training=TrainingConfig(epochs=EPOCHS, batch_size=BATCH, compile=compiled, checkpoint_seconds=1e6),
        output=tempfile.mkdtemp(),
    )
    times = [0.0, *(row["seconds"] for row in train(config).history)]
    return [(b - a) * 500 / FRAMES for a, b in itertools.pairwise(times[2:])]


def main() -> None:
    torch.set_num_threads(1)
    keep_memory()
    print(systems.machine())
    print("| step | s per 500 frames, median | min | max |\n|---|--:|--:|--:|")
    for name, compiled in (("eager", False), ("compiled", True)):
        times = epochs(compiled)
        print(f"| {name} | {statistics.median(times):.2f} | {min(times):.2f} | {max(times):.2f} |", flush=True)


if __name__ == "__main__":
    main()
