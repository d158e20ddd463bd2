"""One process or many: started by torchrun, each process takes its share of every batch.

Gradients and sums are added up over the processes and divided by global counts, so N processes take the same steps as
one, to rounding, and no structure is dropped.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor


class Processes:
    """The processes of a run; with a single one every method is a no-op."""

    def __init__(self) -> None:
        self.count = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        self.device = (
            torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if torch.cuda.is_available() else None
        )
        if self.device is not None:  # nccl uses the current device, not that of the tensors, to find its peers
            torch.cuda.set_device(self.device)
        if self.count > 1 and not dist.is_initialized():
            dist.init_process_group("nccl" if self.device else "gloo")

    @property
    def first(self) -> bool:
        """Whether this process writes files and progress."""
        return self.rank == 0

    def share(self, indices: Sequence[int] | np.ndarray) -> Sequence[int] | np.ndarray:
        """This process's part of a batch; may be empty."""
        return indices[self.rank :: self.count]

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Sum tensors over all processes, in place."""
        if self.count > 1:
            flat = torch.cat([tensor.reshape(-1).to(self.device, torch.float64) for tensor in tensors])
            dist.all_reduce(flat)
            for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
                tensor.copy_(part.reshape(tensor.shape))

    def agree(self, value: bool) -> bool:
        """The first process's value, everywhere."""
        if self.count == 1:
            return value
        flag = torch.tensor([float(value)], device=self.device)
        dist.broadcast(flag, 0)
        return bool(flag.item())

    def wait(self) -> None:
        """Until all processes are here."""
        if self.count > 1:
            dist.barrier()
