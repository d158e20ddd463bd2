"""Dynamics of a model from files, in one call."""

from __future__ import annotations

from pathlib import Path

import torch

from atnn.dynamics.integrators import Integrator, Langevin, VelocityVerlet
from atnn.dynamics.run import Limits, RunReport, run
from atnn.dynamics.state import State
from atnn.dynamics.velocities import maxwell_boltzmann
from atnn.model import Model, ModelPotential, load_model
from atnn.reading import read
from atnn.structures import Structures

CLOSER = 0.8  # of the shortest distance seen in training; nearer than that the model knows nothing


def simulate(
    model: str | Path,
    start: str | Path,
    output: str | Path,
    *,
    copies: int = 1,
    temperature: float = 300.0,
    timestep: float = 0.5,
    steps: int = 10_000,
    every: int = 4,
    friction: float | None = None,
    compile: bool = False,
    seed: int = 0,
) -> RunReport:
    """Molecular dynamics of every structure of a file, many copies at once, resumable.

    The run stops where atoms come nearer than 0.8 of the shortest distance in the training data.

    Args:
        model: Model file.
        start: File with the structures to start from.
        output: Folder of the trajectory; an unfinished one of the same run is continued.
        copies: Independent copies of each structure.
        temperature: Of the velocities drawn at the start, and of Langevin dynamics [K].
        timestep: Time step [fs].
        steps: Number of steps.
        every: Steps between two frames.
        friction: Friction of Langevin dynamics [1/fs]; constant energy without.
        compile: Compile the model first.
        seed: Of velocities and noise.

    Raises:
        DataError: The structures cannot be read, or the model does not know an element.
        DynamicsError: NaN, an energy jump, or atoms nearer than the model knows.
    """
    potential = ModelPotential(load_model(model), compile=compile)
    frames = read(start).labelled.structures
    structures = Structures.concatenate([frames] * copies)
    generator = torch.Generator().manual_seed(seed)
    velocities = maxwell_boltzmann(structures, temperature, generator)
    integrator: Integrator = VelocityVerlet(timestep)
    if friction is not None:
        integrator = Langevin(timestep, temperature, friction)
    return run(
        State.start(structures, velocities),
        potential,
        integrator,
        steps,
        trajectory=output,
        every=every,
        generator=generator,
        limits=Limits(closest=_closest(potential.model)),
    )


def _closest(model: Model) -> dict[tuple[int, int], float] | None:
    from ase.data import atomic_numbers

    seen = model.provenance.get("ranges", {}).get("shortest_distances", {})
    pairs = {tuple(sorted(atomic_numbers[s] for s in name.split("-"))): d for name, d in seen.items()}
    return {(a, b): CLOSER * distance for (a, b), distance in pairs.items()} or None
