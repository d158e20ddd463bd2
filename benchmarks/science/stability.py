"""Stability: how many runs of 3BPA stay one molecule, at the temperature of the training data and far above it.

    OMP_NUM_THREADS=1 python -m benchmarks.science.stability MODEL [--picoseconds 50] [--copies 100]

Langevin dynamics at 300, 600 and 1200 K from training frames, all copies in one batch, 0.5 fs. A run ends when a bond
deviates by more than 0.5 Angstrom from its length at the start (X. Fu et al., arXiv:2210.07237), when two atoms come
closer than half the sum of their covalent radii, or by a fault of the dynamics. Each reason is counted; none ends
without one. The trajectories stay in runs-stability/, and the command, called again, goes on where it was stopped.
Results are kept in stability.json beside this file, by the hash of the model, and not computed again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from ase.data import covalent_radii
from ase.io import read
from benchmarks import systems
from benchmarks.kept import keep
from jaxtyping import Bool
from torch import Tensor

from atnn.dynamics import Condition, Langevin, State, Trajectory, closer_than, maxwell_boltzmann, run
from atnn.dynamics.stopping import too_far
from atnn.errors import DynamicsError
from atnn.kernels import keep_memory
from atnn.model import Model, ModelPotential, hash_model, load_model
from atnn.neighbors import edges, neighbor_pairs
from atnn.structures import Structures
from atnn.units import ps

RESULTS = systems.ROOT / "benchmarks" / "science" / "stability.json"
FOLDER = systems.ROOT / "runs-stability"
TIMESTEP, FRICTION = 0.5, 0.01  # fs, 1/fs
STRETCH = 0.5  # Angstrom
BONDED = 1.25  # sums of covalent radii
TEMPERATURES = (300, 600, 1200)


def starts(copies: int) -> Structures:
    """Training frames, spread over the file."""
    frames = read(systems.data("3bpa", "train_300K.xyz.gz"), ":")
    return Structures.from_ase([frames[k * len(frames) // copies] for k in range(copies)], dtype=torch.float32)


def bonds_broken(begin: Structures) -> Condition:
    """The condition that a bond differs by more than 0.5 Angstrom from its length at the start.

    Structures that end leave the batch; all are one molecule, so that the bonds of any start serve.
    """
    one = begin.select([0])
    radii = torch.as_tensor(covalent_radii, dtype=torch.float32)[one.numbers]
    pairs = edges(one, neighbor_pairs(one, 2.5))
    bonded = pairs.lengths < BONDED * (radii[pairs.i] + radii[pairs.j])
    i, j, lengths = pairs.i[bonded], pairs.j[bonded], pairs.lengths[bonded]

    def condition(state: State) -> Bool[Tensor, " structures"]:
        positions = state.structures.positions.reshape(-1, len(one.numbers), 3)
        change = (positions[:, i] - positions[:, j]).norm(dim=2) - lengths.to(positions.dtype)
        return (change.abs() > STRETCH).any(1)

    return condition


def contacts(begin: Structures) -> dict[tuple[int, int], float]:
    """Half the sum of the covalent radii of each pair of elements [Angstrom]."""
    numbers = begin.numbers.unique().tolist()
    return {(a, b): float(covalent_radii[a] + covalent_radii[b]) / 2 for a in numbers for b in numbers if a <= b}


def measure(model: Model, name: str, temperature: int, picoseconds: float, copies: int) -> dict[str, Any]:
    """Run all copies at one temperature, and count why they ended."""
    begin = starts(copies)
    generator = torch.Generator().manual_seed(0)
    state = State.start(begin, maxwell_boltzmann(begin, temperature, generator))
    steps = round(picoseconds * ps / TIMESTEP)
    path = FOLDER / f"{name}-{temperature}K-{copies}"
    # All runs together are an error where none is left; each says why it ended all the same.
    with contextlib.suppress(DynamicsError):
        run(
            state, ModelPotential(model, compile=True), Langevin(TIMESTEP, temperature, FRICTION), steps,
            trajectory=path, every=200, chunk=1, generator=generator, outputs=(),
            stops={"bond broken": bonds_broken(begin)}, faults=(too_far(TIMESTEP), closer_than(contacts(begin))),
        )  # fmt: skip
    ended = Trajectory(path).ended
    times = sorted(entry.step * TIMESTEP / ps for entry in ended)
    return {
        "survived": copies - len(ended),
        "copies": copies,
        "picoseconds": picoseconds,
        "reasons": dict(Counter(entry.reason for entry in ended)),
        "first_end_ps": times[0] if times else None,
    }


def main() -> None:
    """Run all temperatures with one model, unless they are kept, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--picoseconds", type=float, default=50.0)
    parser.add_argument("--copies", type=int, default=100)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_memory()
    model = load_model(arguments.model)
    name = hash_model(model)[:8]
    print(systems.machine(), flush=True)
    for temperature in TEMPERATURES:
        settings = temperature, arguments.picoseconds, arguments.copies
        key = f"{name}, {temperature} K, {arguments.copies} x {arguments.picoseconds:g} ps"
        row = keep(RESULTS, key, lambda given=settings: measure(model, name, *given))
        print(f"{key}: {json.dumps(row)}", flush=True)


if __name__ == "__main__":
    main()
