"""The batches of an epoch, read in the background while the model computes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from atnn.data import Dataset
from atnn.model import Model
from atnn.structures import Labelled
from atnn.training.distributed import Processes
from atnn.training.loss import count_labels
from atnn.training.step import Batch, make_batch


class Feed:
    """Reads the batches of this process one step ahead; a context that ends its thread.

    Args:
        model: The model that the batches are made for.
        dataset: The training structures.
        names: Quantities in the loss.
        processes: The processes of the run; each reads its share of every batch.
    """

    def __init__(self, model: Model, dataset: Dataset, names: Sequence[str], processes: Processes):
        self.model, self.dataset, self.names, self.processes = model, dataset, names, processes
        self._reader = ThreadPoolExecutor(1)

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *error: object) -> None:
        self._reader.shutdown()

    def batches(self, plan: Sequence[np.ndarray], first: int) -> Iterator[tuple[Batch | None, Tensor]]:
        """Read the batches of a plan.

        Args:
            plan: Indices of the structures of each step.
            first: Number of the first step, from which random numbers follow.

        Yields:
            This process's share of each batch, None if it is empty, and the number of labelled values of each quantity
            in the whole batch.
        """
        ahead = None
        for number, indices in enumerate([*plan, None]):
            current = ahead
            ahead = None if indices is None else self._reader.submit(self._read, indices, first + number)
            if current is not None:
                yield current.result()

    def _read(self, indices: np.ndarray, step: int) -> tuple[Batch | None, Tensor]:
        share = self.processes.share(indices)
        batch = make_batch(self.model, self.dataset[share], self.names, step) if len(share) else None
        if self.processes.count == 1 and batch is not None:
            return batch, batch.counts
        return batch, count_labels(_fill_masks(self.dataset[indices], self.names), self.names)


def _fill_masks(labelled: Labelled, names: Sequence[str]) -> Labelled:
    """Add an empty mask for every quantity that these structures lack."""
    empty = torch.zeros(len(labelled.structures), dtype=torch.bool)
    return labelled._replace(masks={name: labelled.masks.get(name, empty) for name in names})
