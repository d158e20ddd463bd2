"""Labellers for tests; in a module of their own because worker processes import them."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass

import numpy as np

from atnn.errors import LabellingError
from atnn.structures import Structures


@dataclass(frozen=True)
class Springs:
    """Springs between all pairs; writes a line into ``log`` for each calculation it finishes.

    Fluorine kills the process, neon fails to converge, argon kills the process once, krypton is a defect.
    """

    log: str
    delay: float = 0.0

    @property
    def settings(self) -> dict[str, str | int | float]:
        return {"program": "springs", "version": 1}

    def __call__(self, structure: Structures) -> dict[str, np.ndarray]:
        numbers = set(structure.numbers.tolist())
        if 9 in numbers or (18 in numbers and not os.path.exists(self.log + ".died")):
            open(self.log + ".died", "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        if 10 in numbers:
            raise LabellingError("did not converge")
        if 36 in numbers:
            raise ZeroDivisionError("a defect")
        time.sleep(self.delay)
        positions = structure.positions.numpy()
        vectors = positions[:, None] - positions[None]
        with open(self.log, "a") as log:
            log.write(f"{os.getpid()} {os.environ.get('OMP_NUM_THREADS')}\n")
        energy = 0.25 * (vectors**2).sum()
        return {"energy": np.asarray(energy), "forces": -vectors.sum(1)}
