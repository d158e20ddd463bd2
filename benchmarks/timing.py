"""Medians of repeated calls."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
from ase import Atoms


def seconds(call: Callable[[], object], repeats: int = 7, target: float = 0.25) -> tuple[float, float, float]:
    """Median, smallest and largest seconds per call over ``repeats`` blocks of about ``target`` seconds."""
    for _ in range(3):
        start = time.perf_counter()
        call()
        once = time.perf_counter() - start
    count, results = max(1, round(target / once)), []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(count):
            call()
        results.append((time.perf_counter() - start) / count)
    return statistics.median(results), min(results), max(results)


class Moves:
    """Energy and forces of an ASE calculator after random moves of 0.01 Angstrom, as dynamics asks for them."""

    def __init__(self, atoms: Atoms, calculator):
        self.atoms = atoms.copy()
        self.atoms.calc = calculator
        self.start, self.generator = self.atoms.positions.copy(), np.random.default_rng(0)

    def __call__(self):
        self.atoms.positions = self.start + self.generator.normal(scale=0.01, size=self.start.shape)
        self.atoms.get_potential_energy()
        return self.atoms.get_forces()
