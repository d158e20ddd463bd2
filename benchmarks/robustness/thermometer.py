"""False alarms of the thermometer of NVT runs, and what it misses.

    python -m benchmarks.robustness.thermometer

200 independent crystals for each setting, all in one batch: atoms on a cubic lattice that are held by springs to their
places and to their neighbors, and move by Langevin dynamics with a time step far below its limits. Each crystal is
judged by itself, as if it had run alone. None may alarm at the temperature of the bath. The same runs are judged
against baths that are colder, whose alarms are right. The starts are canonical, or at the minimum with the velocities
that `atnn md` draws, which the thermostat must first heat.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from atnn.dynamics import Langevin, State, maxwell_boltzmann, run
from atnn.dynamics.state import standard_masses
from atnn.dynamics.thermometer import TOLERATED, read_thermometer, relaxation_time
from atnn.structures import Structures
from atnn.units import amu_angstrom2_per_fs2, boltzmann

BATH = 300.0  # K
COLDER = (1.0, 0.9, 0.8, 0.6)  # baths that the same runs are judged against
FEWER = (4, 3, 2)  # standard errors; thresholds that are lower than that of the thermometer
EVERY = 4  # steps between frames


class Setting(NamedTuple):
    """A run: edge of the crystal [atoms], friction [1/fs], steps, time step [fs], whether its start is canonical."""

    edge: int
    friction: float
    steps: int
    timestep: float
    canonical: bool


SETTINGS = [
    Setting(*setting, canonical)
    for canonical in (True, False)
    for setting in itertools.product((1, 2, 3), (0.002, 0.01, 0.1), (500, 2000, 8000), (1.0,))
]


class Crystal:
    """E = u K u / 2 for displacements u from the places of the atoms, in many copies.

    Args:
        edge: Atoms along an edge.
        copies: Number of copies.
        place: Spring to the place of an atom [eV/Angstrom^2].
        bond: Spring to each neighbor, likewise.
    """

    outputs = frozenset({"energy", "forces"})

    def __init__(self, edge: int, copies: int, place: float = 2.0, bond: float = 5.0):
        self.copies = copies
        self.places = torch.tensor(list(np.ndindex(edge, edge, edge)), dtype=torch.float64) * 3.0
        distances = torch.cdist(self.places, self.places)
        neighbors = ((distances > 0) & (distances < 3.5)).double()
        laplacian = torch.diag(neighbors.sum(1)) - neighbors
        self.springs = place * torch.eye(len(self.places), dtype=torch.float64) + bond * laplacian

    def forget(self) -> None:
        """Nothing to drop."""

    def __call__(self, structures: Structures, outputs: Sequence[str]) -> dict[str, Tensor]:
        """Energies and forces."""
        moved = structures.positions.view(self.copies, -1, 3) - self.places
        forces = -torch.einsum("ab,cbx->cax", self.springs, moved)
        return {"energy": -0.5 * (forces * moved).sum((1, 2)), "forces": forces.reshape(-1, 3)}

    def start(self, canonical: bool, generator: torch.Generator) -> State:
        """Velocities of the bath, and positions of the bath or at the minimum."""
        atoms = Atoms("Ar" * len(self.places), positions=self.places.numpy())
        structures = Structures.from_ase([atoms] * self.copies)
        if canonical:
            values, vectors = torch.linalg.eigh(self.springs)
            shape = (self.copies, len(self.places), 3)
            noise = torch.randn(shape, generator=generator, dtype=torch.float64)
            moved = torch.einsum("ab,cbx->cax", vectors, noise * (boltzmann * BATH / values).sqrt()[:, None])
            structures = structures.replace(positions=structures.positions + moved.reshape(-1, 3))
        velocities = maxwell_boltzmann(structures, BATH, generator)
        if canonical:  # the crystal is held in its place, so that its center of mass has heat, too
            noise = torch.randn(velocities.shape, generator=generator, dtype=torch.float64)
            velocities = (
                noise * (boltzmann * BATH / (amu_angstrom2_per_fs2 * standard_masses(structures)[:, None])).sqrt()
            )
        degrees = torch.full((self.copies,), 3 * len(self.places))
        return State.start(structures, velocities, degrees=degrees)


def measure(setting: Setting, copies: int, seed: int) -> dict[str, float]:
    """Run one setting, and judge every copy by itself."""
    crystal, generator = Crystal(setting.edge, copies), torch.Generator().manual_seed(seed)
    state = crystal.start(setting.canonical, generator)
    rule = Langevin(setting.timestep, BATH, setting.friction)
    report = run(state, crystal, rule, setting.steps, every=EVERY, generator=generator, outputs=())
    memory = 2 * relaxation_time(rule) / (EVERY * setting.timestep)  # frames, as in a run
    kinetic, degrees = report.series["kinetic"], state.degrees
    row = {"mean": float(report.temperature)}
    for share in COLDER:
        readings = []
        for copy in range(copies):
            one, bath = torch.tensor([copy]), torch.full((1,), share * BATH, dtype=torch.float64)
            readings.append(read_thermometer(kinetic[:, one], degrees[one], bath, one, memory))
        settled = [reading for reading in readings if reading is not None and reading.settled]
        row[f"{share:g}"] = sum(not reading.holds for reading in settled) / copies
        if share < 1:
            continue
        row["not yet"] = sum(not r.holds and not r.settled for r in readings if r is not None) / copies
        for errors in FEWER:
            beyond = [abs(r.temperature - r.bath) > max(errors * r.error, TOLERATED * r.bath) for r in settled]
            row[f"{errors} errors"] = sum(beyond) / copies
    return row


def rows(copies: int, seed: int, longest: int) -> Iterator[dict[str, object]]:
    """One row for each setting."""
    for number, setting in enumerate(s for s in SETTINGS if s.steps <= longest):
        yield {**setting._asdict(), "atoms": setting.edge**3, **measure(setting, copies, seed + number)}


def main() -> None:
    """Print the table, and write it to a JSON file if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copies", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=int, default=8000, help="leave out settings of more steps")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    begun, found = time.perf_counter(), []
    titles = ["start", "atoms", "friction", "steps", "mean [K]", "alarms", *(f"{errors} errors" for errors in FEWER)]
    titles += ["not yet", *(f"at {share:g} T" for share in COLDER[1:])]
    print("".join(f"{title:>11}" for title in titles))
    for row in rows(options.copies, options.seed, options.longest):
        found.append(row)
        start = "canonical" if row["canonical"] else "minimum"
        names = ["1", *(f"{errors} errors" for errors in FEWER), "not yet", *(f"{share:g}" for share in COLDER[1:])]
        shown = [f"{100 * float(row[name]):.1f} %" for name in names]
        values = (start, row["atoms"], row["friction"], row["steps"], f"{row['mean']:.1f}", *shown)
        print("".join(f"{value!s:>11}" for value in values), flush=True)
    total = len(found) * options.copies
    for name, canonical in (("canonical", True), ("minimum", False)):
        chosen = [row for row in found if row["canonical"] is canonical]
        for threshold in ("1", *(f"{errors} errors" for errors in FEWER)):
            false = sum(float(row[threshold]) for row in chosen) * options.copies
            words = "as they are" if threshold == "1" else f"beyond {threshold}"
            print(f"false alarms, start {name}, {words}: {false:.0f} of {len(chosen) * options.copies}")
    print(f"{total} runs in {time.perf_counter() - begun:.0f} s")
    if options.output is not None:
        options.output.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
