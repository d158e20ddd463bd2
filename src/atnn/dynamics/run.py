"""The run loop: steps, frames, checks, progress."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import MappingProxyType

import torch
from pydantic import BaseModel

from atnn.dynamics.border import check_counts
from atnn.dynamics.driven import InField
from atnn.dynamics.ended import Watch, count_reasons
from atnn.dynamics.frames import Frames
from atnn.dynamics.integrators import Integrator
from atnn.dynamics.layout import units
from atnn.dynamics.report import RunReport
from atnn.dynamics.state import State
from atnn.dynamics.stopping import START_ENERGY, Condition, Fault, usual_faults
from atnn.dynamics.thermometer import bath_of, read_thermometer, relaxation_time
from atnn.dynamics.vibrations import check_resolution
from atnn.errors import AtnnWarning, DataError
from atnn.locks import hold
from atnn.model import Identified, Potential
from atnn.progress import LOG, Progress, record

SHORT = 100  # steps; a shorter run costs hardly more than the check of its timestep
NO_STOPS: Mapping[str, Condition] = MappingProxyType({})


def run(
    state: State,
    potential: Potential,
    integrator: Integrator,
    steps: int,
    *,
    trajectory: str | Path | None = None,
    every: int = 1,
    generator: torch.Generator | None = None,
    outputs: Sequence[str] | None = None,
    stops: Mapping[str, Condition] = NO_STOPS,
    faults: Sequence[Fault] | None = None,
    chunk: int = 100,
) -> RunReport:
    """Advance a batch of structures, all in one tensor.

    A structure for which a condition is true leaves the batch, and the others go on: see ``RunReport.ended``.

    A run whose trajectory folder already holds frames is resumed: repeat the call that began it, with the
    same state, generator seed and settings. The resumed run repeats the undisturbed one in every bit, if
    the potential gives the same bits for the same positions.

    Args:
        state: Where to start, see :meth:`State.start`.
        potential: Energies and forces.
        integrator: :class:`VelocityVerlet`, :class:`Langevin`, ...
        steps: Number of steps, counted from ``state``.
        trajectory: Folder to write frames to; none are written when not given.
        every: Steps between two frames.
        generator: Source of random numbers, for integrators that need them.
        outputs: What frames hold beside energies, positions and velocities; the dipole, if the potential
            gives it, when not given.
        stops: Conditions, by name, under which a trajectory has come to the end that is wanted; looked at after
            every step.
        faults: Conditions under which a trajectory means nothing any more; by default a jump of the energy where
            the integrator conserves it, and an atom that moves by more than 1 Angstrom in a step. NaN always is a
            fault.
        chunk: Frames in one file of the trajectory; at most so many are lost on a crash.

    Before a run of more than 100 steps the timestep is compared with the period of the fastest vibration. After it the
    temperature is compared with that of the bath, if there is one. A run in a folder that another process writes to,
    or that another potential began, is refused.

    Returns:
        The last state, energies and other outputs of all frames, energy drift and temperature.

    Raises:
        InUseError: Another process writes the trajectory.
        DynamicsError: The timestep is beyond the limit of stability, or all trajectories ended by a fault, of which the
            first is named; the frames up to there are in the trajectory.
        DataError: The trajectory cannot be written, or is that of another run.
    """
    check_counts("run", 0, steps=steps)
    check_counts("run", every=every, chunk=chunk)
    with nullcontext() if trajectory is None else _held(Path(trajectory)):
        return _advance(
            state, potential, integrator, steps, trajectory, every, generator, outputs, stops, faults, chunk
        )


def _advance(
    state: State,
    potential: Potential,
    integrator: Integrator,
    steps: int,
    trajectory: str | Path | None,
    every: int,
    generator: torch.Generator | None,
    outputs: Sequence[str] | None,
    stops: Mapping[str, Condition],
    faults: Sequence[Fault] | None,
    chunk: int,
) -> RunReport:
    outputs = tuple(outputs) if outputs is not None else tuple({"dipole"} & set(potential.outputs))
    faults = usual_faults(integrator.timestep) if faults is None else faults
    begun, bath = time.perf_counter(), bath_of(integrator, state)
    if isinstance(integrator, InField):
        integrator.check(state, potential)
    watch = Watch(state, integrator.needs, faults, stops)
    settings = _settings(integrator, potential, every, outputs, stops)
    frames = Frames(trajectory, state, settings, chunk)
    state, done = _begin(state, potential, integrator, ("energy", *outputs), watch, frames, generator, steps)
    count, atom_steps = done, 0
    try:
        with record(None if trajectory is None else Path(trajectory) / LOG), _progress(state, steps, done) as bar:
            while count < steps and len(watch.numbers):
                before, count = state, count + 1
                frame_due = count % every == 0
                state = integrator.step(before, potential, generator, ("energy", *outputs) if frame_due else ())
                atom_steps += len(before.masses)
                state = watch.keep_running(before, state, count, frame_due)
                if len(state.masses) < len(before.masses):
                    potential.forget()
                if frame_due and len(watch.numbers):
                    if frames.append(state, watch, generator):
                        potential.forget()  # a resumed run has no older neighbor list, whose order changes last bits
                    bar.reach(count)
    finally:
        frames.flush(watch)
    _report_faults(watch)
    seconds, ended = time.perf_counter() - begun, tuple(watch.ended)
    series, conserves = frames.series(), integrator.conserves_energy
    reading = None
    if bath is not None:
        kinetic, degrees = series["kinetic"][:, watch.numbers], state.degrees.cpu()
        memory = 2 * relaxation_time(integrator) / (every * integrator.timestep)  # frames
        reading = read_thermometer(kinetic, degrees, bath[watch.numbers], watch.numbers, memory)
    if reading is not None and reading.settled and not reading.holds:
        warnings.warn(f"temperature of the {reading}", AtnnWarning, stacklevel=3)
    return RunReport(state, series, conserves, count - done, seconds, atom_steps, watch.numbers, ended, reading)


def _begin(
    start: State,
    potential: Potential,
    integrator: Integrator,
    outputs: Sequence[str],
    watch: Watch,
    frames: Frames,
    generator: torch.Generator | None,
    steps: int,
) -> tuple[State, int]:
    """The state to go on from, with its energy if that should stay, and how many steps it is from the start."""
    state, done = frames.resume(watch, generator, steps), 0
    if state is not None:
        done = int(state.step[0] - start.step[watch.numbers[0]])
    else:
        if steps > SHORT:
            check_resolution(start, potential, integrator.needs, integrator.timestep)
        state = watch.keep_finite(start, integrator.init(start, potential, outputs))
        if len(watch.numbers):
            frames.append(state, watch, generator)
    variables = {name: value for name, value in state.variables.items() if name != START_ENERGY}
    if integrator.conserves_energy and len(watch.numbers):
        variables[START_ENERGY] = frames.start_energies[watch.numbers].to(state.velocities.device)
    return state.replace(variables=variables), done


def _report_faults(watch: Watch) -> None:
    """Raise the first fault where nothing else came of the run; warn of faults otherwise."""
    faults = [entry for entry in watch.ended if entry.fault]
    total = len(watch.numbers) + len(watch.ended)
    if not faults:
        return
    if len(faults) == total:
        raise faults[0].error
    warnings.warn(
        f"{len(faults)} of {total} trajectories ended by a fault ({count_reasons(faults)}); "
        f"the first: {faults[0].error}",
        AtnnWarning,
        stacklevel=3,
    )


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold the folder of a trajectory, which need not be there yet."""
    path = path.absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"cannot be made ({error.strerror or error})", where=str(path.parent), remedy="choose another folder"
        ) from error
    with hold(path, "the trajectory"):
        yield


def _settings(
    integrator: Integrator, potential: Potential, every: int, outputs: Sequence[str], stops: Mapping[str, Condition]
) -> dict:
    return {
        "units": units(outputs, isinstance(integrator, InField)),
        "integrator": _describe(integrator),
        "every": every,
        "outputs": list(outputs),
        "stops": list(stops),
        "potential": potential.identity if isinstance(potential, Identified) else None,
    }


def _describe(integrator: Integrator) -> dict:
    if isinstance(integrator, InField):
        field = integrator.field
        words = field.model_dump(serialize_as_any=True) if isinstance(field, BaseModel) else field
        return {**_describe(integrator.integrator), "field": words}
    names = [field.name for field in fields(integrator)] if is_dataclass(integrator) else ["timestep"]
    return {"name": type(integrator).__name__, **{name: getattr(integrator, name) for name in names}}


def _progress(state: State, steps: int, done: int) -> Progress:
    count = len(state.step)
    return Progress(f"dynamics of {count} structure{'s' if count > 1 else ''}", steps, done=done, unit="step")
