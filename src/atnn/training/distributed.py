"""Training with one process or many; with torchrun, each process takes its share of every batch.

Gradients and sums are added over the processes and divided by global counts. N processes therefore take the same steps
as one, up to rounding, and no structure is dropped.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor


class Processes:
    """The processes of a run; with a single process the methods do nothing."""

    def __init__(self) -> None:
        self.count = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        self.device = (
            torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if torch.cuda.is_available() else None
        )
        if self.device is not None:  # nccl finds its peers by the current device, not by that of the tensors
            torch.cuda.set_device(self.device)
        if self.count > 1 and not dist.is_initialized():
            dist.init_process_group("nccl" if self.device else "gloo")

    @property
    def first(self) -> bool:
        """Whether this process writes files and progress."""
        return self.rank == 0

    def share(self, indices: Sequence[int] | np.ndarray) -> Sequence[int] | np.ndarray:
        """Choose this process's share of a batch, which may be empty."""
        return indices[self.rank :: self.count]

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Sum tensors over all processes, in place."""
        if self.count > 1:
            flat = torch.cat([tensor.reshape(-1).to(self.device, torch.float64) for tensor in tensors])
            dist.all_reduce(flat)
            for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
                tensor.copy_(part.reshape(tensor.shape))

    def agree(self, value: bool) -> bool:
        """Return the value of the first process on all processes."""
        if self.count == 1:
            return value
        flag = torch.tensor([float(value)], device=self.device)
        dist.broadcast(flag, 0)
        return bool(flag.item())

    def wait(self) -> None:
        """Wait until all processes have arrived here."""
        if self.count > 1:
            dist.barrier()
