"""The run loop: steps, frames, checks, progress."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import MappingProxyType

import torch

from atnn.dynamics.ended import Watch, count_reasons
from atnn.dynamics.frames import Frames
from atnn.dynamics.integrators import Integrator
from atnn.dynamics.layout import units
from atnn.dynamics.report import RunReport
from atnn.dynamics.state import State
from atnn.dynamics.stopping import FAULTS, START_ENERGY, Condition, Fault
from atnn.errors import AtnnWarning, DynamicsError
from atnn.model import Potential
from atnn.progress import LOG, Progress, record

logger = logging.getLogger(__name__)

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
    faults: Sequence[Fault] = FAULTS,
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
            the integrator conserves it. NaN always is a fault.
        chunk: Frames in one file of the trajectory; at most so many are lost on a crash.

    Returns:
        The last state, energies and other outputs of all frames, energy drift and temperature.

    Raises:
        DynamicsError: All trajectories ended by a fault, of which the first is named; the frames up to there are
            in the trajectory.
        DataError: The trajectory cannot be written, or is that of another run.
    """
    if steps < 0 or every < 1 or chunk < 1:
        raise DynamicsError(f"steps {steps}, every {every}, chunk {chunk}", where="run", remedy="give positive numbers")
    outputs = tuple(outputs) if outputs is not None else tuple({"dipole"} & set(potential.outputs))
    begun = time.perf_counter()
    watch = Watch(state, integrator.needs, faults, stops)
    frames = Frames(trajectory, state, _settings(integrator, every, outputs, stops), chunk)
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
    report = RunReport(state, series, conserves, count - done, seconds, atom_steps, watch.numbers, ended)
    logger.info("%s", report)
    return report


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


def _settings(integrator: Integrator, every: int, outputs: Sequence[str], stops: Mapping[str, Condition]) -> dict:
    names = [field.name for field in fields(integrator)] if is_dataclass(integrator) else ["timestep"]
    return {
        "units": units(outputs),
        "integrator": {"name": type(integrator).__name__, **{name: getattr(integrator, name) for name in names}},
        "every": every,
        "outputs": list(outputs),
        "stops": list(stops),
    }


def _progress(state: State, steps: int, done: int) -> Progress:
    count = len(state.step)
    return Progress(f"dynamics of {count} structure{'s' if count > 1 else ''}", steps, done=done, unit="step")
