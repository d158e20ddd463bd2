"""Speed of training on one core, float32: forces of a molecule, and energies alone of many small molecules.

    OMP_NUM_THREADS=1 taskset -c 0 python -m benchmarks.speed.training

Seconds per 500 frames of 3BPA at batch 16, energy and force loss, REANN (3 rounds, 5 A); and molecules per second of
4000 rattled molecules of QM9 (18 atoms each) at batch 128, energies alone, the preset `fast`, compiled. Pair lists,
batching, gradients, optimizer and averaging are all included; validation is not.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile

import torch
from benchmarks import systems

from atnn.data import Frames, concatenate
from atnn.kernels import keep_memory
from atnn.reading import read
from atnn.training import DataConfig, ModelConfig, RunConfig, TrainingConfig, train

FRAMES, BATCH, EPOCHS = 450, 16, 8
COPIES, LARGE, HELD_OUT = 40, 128, 200  # of each of 100 molecules, their batch size, validation


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


def molecules() -> list[float]:
    """Molecules per second in each epoch after the first two, learned from their energies alone."""
    labelled = read(systems.data("qm9_100", "qm9_100.xyz")).labelled
    generator = torch.Generator().manual_seed(0)
    parts = []
    for _ in range(COPIES):
        positions = labelled.structures.positions
        moved = positions + 0.05 * torch.randn(positions.shape, generator=generator, dtype=positions.dtype)
        parts.append(labelled._replace(structures=labelled.structures.replace(positions=moved)))
    config = RunConfig(
        data=DataConfig(train="given", validation=HELD_OUT),
        model=ModelConfig.model_validate({"preset": "fast"}),
        training=TrainingConfig(
            epochs=EPOCHS, batch_size=LARGE, weights={"energy": 1.0}, compile=True, checkpoint_seconds=1e6
        ),
        output=tempfile.mkdtemp(),
    )
    whole = Frames(concatenate(parts))
    times = [row["seconds"] for row in train(config, {"train": whole}).history]
    return [(len(whole) - HELD_OUT) / (b - a) for a, b in itertools.pairwise(times[1:])]


def main() -> None:
    torch.set_num_threads(1)
    keep_memory()
    print(systems.machine())
    print("| step | s per 500 frames, median | min | max |\n|---|--:|--:|--:|")
    for name, compiled in (("eager", False), ("compiled", True)):
        times = epochs(compiled)
        print(f"| {name} | {statistics.median(times):.2f} | {min(times):.2f} | {max(times):.2f} |", flush=True)

    rates = molecules()
    print(f"energies alone: {statistics.median(rates):.0f} molecules/s ({min(rates):.0f} to {max(rates):.0f})")


if __name__ == "__main__":
    main()
