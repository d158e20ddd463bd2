"""Dynamics of a model from files, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from atnn.dynamics.border import check_counts, check_outputs, check_temperature, seeded
from atnn.dynamics.driven import InField
from atnn.dynamics.fields import ConstantField, Given, make_field
from atnn.dynamics.integrators import INTEGRATORS, Integrator
from atnn.dynamics.report import RunReport
from atnn.dynamics.run import run
from atnn.dynamics.state import State
from atnn.dynamics.stopping import closer_than, usual_faults
from atnn.dynamics.velocities import maxwell_boltzmann
from atnn.errors import SpecificationError, suggest
from atnn.model import Model, ModelPotential, load_model
from atnn.model.checks import refuse_ignored
from atnn.neighbors import refuse_contacts
from atnn.reading import read
from atnn.structures import Structures

CLOSER = 0.8  # of the shortest distance seen in training; nearer than that the model knows nothing
FRICTION = 0.01  # of Langevin dynamics where none is given [1/fs]


def simulate(
    model: str | Path,
    start: str | Path,
    output: str | Path,
    *,
    copies: int = 1,
    integrator: str = "verlet",
    temperature: float = 300.0,
    timestep: float = 0.5,
    steps: int = 10_000,
    every: int = 4,
    friction: float | None = None,
    outputs: Sequence[str] | None = None,
    field: Given | None = None,
    compile: bool = False,
    seed: int = 0,
) -> RunReport:
    """Molecular dynamics of every structure of a file, many copies at once, resumable.

    Fixed atoms (``move_mask`` in extended XYZ) stay where they are. A trajectory ends where atoms come nearer than 0.8
    of the shortest distance in the training data.

    Args:
        model: Model file.
        start: File with the structures to start from.
        output: Folder of the trajectory; an unfinished one of the same run is continued.
        copies: Independent copies of each structure.
        integrator: Name in :data:`atnn.dynamics.INTEGRATORS`: ``verlet`` (constant energy) or ``langevin``.
        temperature: Of the velocities drawn at the start, and of Langevin dynamics [K].
        timestep: Time step [fs].
        steps: Number of steps.
        every: Steps between two frames.
        friction: Friction of Langevin dynamics [1/fs]; 0.01 when not given.
        outputs: Quantities in the frames beside energies, positions and velocities; the dipole, if the model gives
            it, when not given.
        field: Electric field, in one of the forms of :func:`atnn.dynamics.make_field`.
        compile: Compile the model first.
        seed: Of velocities and noise.

    Raises:
        DataError: The structures cannot be read, two atoms coincide, or the model does not know an element or ignores
            the field.
        SpecificationError: No such integrator, or one without friction where a friction is given.
        DynamicsError: A number makes no sense, the timestep is too long for the fastest vibration, or all trajectories
            ended by NaN, an energy jump, or atoms nearer than the model knows.
    """
    check_counts("simulate", copies=copies, every=every)
    check_counts("simulate", 0, steps=steps)
    check_temperature(temperature, "simulate")
    check_outputs(outputs, "simulate")
    generator = seeded(seed, "simulate")
    rule = _integrator(integrator, timestep, temperature, friction)
    acting = None if field is None else make_field(field)
    potential = ModelPotential(load_model(model), compile=compile)
    frames = read(start).labelled.structures
    refuse_contacts(frames, str(start))
    structures = Structures.concatenate([frames] * copies)
    if isinstance(acting, ConstantField):
        structures = _put(acting, structures)
        refuse_ignored(structures, potential.model.depends, str(start))  # before anything is written
    elif acting is not None:
        rule = InField(rule, acting)
    velocities = maxwell_boltzmann(structures, temperature, generator)
    return run(
        State.start(structures, velocities),
        potential,
        rule,
        steps,
        trajectory=output,
        every=every,
        generator=generator,
        outputs=outputs,
        faults=(*usual_faults(timestep), closer_than(_closest(potential.model))),
    )


def _put(field: ConstantField, structures: Structures) -> Structures:
    if bool((structures.applied_field != 0).any()):
        raise SpecificationError(
            "the structures state an electric field, and the run has one, too",
            where="field",
            remedy="leave out one of them",
        )
    times = torch.zeros(len(structures))
    return structures.replace(field=field.at(times).to(structures.positions))


def _integrator(name: str, timestep: float, temperature: float, friction: float | None) -> Integrator:
    if not isinstance(name, str) or name not in INTEGRATORS:
        raise SpecificationError(
            f"no integrator {name!r}",
            where="integrator",
            remedy=f"{suggest(name, INTEGRATORS)}known: {', '.join(INTEGRATORS)}",
        )
    kind: Any = INTEGRATORS[name]
    known = {field.name for field in fields(kind)}
    if friction is not None and "friction" not in known:
        raise SpecificationError(
            f"the integrator {name!r} has no friction",
            where=f"friction {friction}",
            remedy="leave the friction out, or choose the integrator langevin",
        )
    friction = FRICTION if friction is None else friction
    settings = {"timestep": timestep, "temperature": temperature, "friction": friction}
    return kind(**{key: value for key, value in settings.items() if key in known})


def _closest(model: Model) -> dict[tuple[int, int], float]:
    from ase.data import atomic_numbers

    seen = model.provenance.get("ranges", {}).get("shortest_distances", {})
    pairs = {tuple(sorted(atomic_numbers[s] for s in name.split("-"))): d for name, d in seen.items()}
    return {(a, b): CLOSER * distance for (a, b), distance in pairs.items()}
