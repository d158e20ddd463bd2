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


@dataclass(frozen=True)
class PolarizableSpring:
    """A labeller as a user writes one: a diatomic spring, with a polarizability that the package's table lacks."""

    stiffness: float = 20.0
    length: float = 1.1

    @property
    def settings(self) -> dict[str, str | int | float]:
        return {"program": "polarizable spring", "stiffness": self.stiffness, "length": self.length}

    def __call__(self, structure: Structures) -> dict[str, np.ndarray]:
        vector = (structure.positions[1] - structure.positions[0]).numpy()
        stretch = np.linalg.norm(vector) - self.length
        force = self.stiffness * stretch * vector / np.linalg.norm(vector)
        return {
            "energy": np.asarray(0.5 * self.stiffness * stretch**2),
            "forces": np.stack([force, -force]),
            "polarizability": np.eye(3) + np.outer(vector, vector),
        }


@dataclass(frozen=True)
class Careless:
    """Gives what it is told to, right or wrong."""

    name: str
    shape: tuple[int, ...]
    settings = {"program": "careless"}  # noqa: RUF012  as users write it

    def __call__(self, structure: Structures) -> dict[str, np.ndarray]:
        return {"energy": np.asarray(0.0), self.name: np.zeros(self.shape)}
