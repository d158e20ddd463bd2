"""A run for the kill test: ``python killed_run.py FOLDER STEPS`` prints a line at every step."""

from __future__ import annotations

import sys

import torch

from atnn.dynamics import Langevin, RunReport, State, maxwell_boltzmann, run
from dynamics.analytic import Morse, diatomics


class Announcing(Morse):
    """Prints the number of each call, so that a watcher knows when to strike."""

    def __call__(self, structures, outputs):
        results = super().__call__(structures, outputs)
        print(self.calls, flush=True)
        return results


def go(folder: str, steps: int, potential: Morse) -> RunReport:
    """The same Langevin run each time it is called."""
    generator = torch.Generator().manual_seed(3)
    structures = diatomics(4)
    state = State.start(structures, maxwell_boltzmann(structures, 300.0, generator))
    integrator = Langevin(0.5, 300.0, 0.02)
    return run(state, potential, integrator, steps, trajectory=folder, every=2, generator=generator, chunk=7)


if __name__ == "__main__":
    go(sys.argv[1], int(sys.argv[2]), Announcing())
