"""The structures that each step of an epoch takes."""

from __future__ import annotations

import numpy as np

from atnn.data import Dataset
from atnn.training.config import TrainingConfig


class Plan:
    """The batches of every epoch; they depend only on seed and epoch, so that a resumed run takes the same ones.

    Args:
        config: Holds ``batch_size`` and ``batch_atoms``.
        dataset: The training structures.
        seed: Seed of the order.
    """

    def __init__(self, config: TrainingConfig, dataset: Dataset, seed: int):
        self.config, self.count, self.seed = config, len(dataset), seed
        self._atoms = None if config.batch_atoms is None else _count_atoms(dataset)

    def __call__(self, epoch: int) -> list[np.ndarray]:
        """Choose the indices of the structures of each step; every structure is in exactly one step."""
        order = np.random.default_rng([self.seed, epoch]).permutation(self.count)
        if self._atoms is None or self.config.batch_atoms is None:
            return np.array_split(order, max(1, round(self.count / self.config.batch_size)))
        atoms = np.cumsum(self._atoms[order])
        # The number of steps must not depend on the order: the learning rate counts them.
        steps = max(1, int(np.ceil(atoms[-1] / self.config.batch_atoms)))
        edges = np.searchsorted(atoms, np.arange(1, steps) * atoms[-1] / steps)
        return [part for part in np.split(order, edges) if len(part)]


def _count_atoms(dataset: Dataset) -> np.ndarray:
    count = len(dataset)
    chunks = [range(start, min(start + 4096, count)) for start in range(0, count, 4096)]
    return np.concatenate([dataset[chunk].structures.counts.numpy() for chunk in chunks])
