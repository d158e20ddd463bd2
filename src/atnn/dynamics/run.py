"""The run loop: steps, frames, checks, progress."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor

from atnn.dynamics.integrators import Integrator
from atnn.dynamics.report import RunReport
from atnn.dynamics.state import State
from atnn.dynamics.stopping import Limits, check_distances, check_energy, check_finite
from atnn.dynamics.trajectory import Trajectory, TrajectoryWriter, frame_of
from atnn.errors import DynamicsError
from atnn.model import Potential
from atnn.quantities import QUANTITIES

logger = logging.getLogger(__name__)

_PER_ATOM = {"positions", "velocities", *(name for name, entry in QUANTITIES.items() if entry.axis == "atom")}


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
    limits: Limits | None = None,
    chunk: int = 100,
) -> RunReport:
    """Advance a batch of structures, all in one tensor.

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
        limits: What stops the run.
        chunk: Frames in one file of the trajectory; at most so many are lost on a crash.

    Returns:
        The last state, energies and dipoles of all frames, energy drift and temperature.

    Raises:
        DynamicsError: NaN, an energy jump or too close atoms; the frames up to there are in the trajectory.
        DataError: The trajectory cannot be written, or is that of another run.
    """
    limits = limits or Limits()
    if steps < 0 or every < 1 or chunk < 1:
        raise DynamicsError(f"steps {steps}, every {every}, chunk {chunk}", where="run", remedy="give positive numbers")
    outputs = tuple(outputs) if outputs is not None else tuple({"dipole"} & set(potential.outputs))
    begun, last, first = time.perf_counter(), state.step + steps, state.step
    frames = _Frames(trajectory, state, _settings(integrator, every, outputs), chunk)
    resumed = frames.resume(state, generator, last)
    if resumed is None:
        state = integrator.init(state, potential, outputs)
        check_finite(state)
        frames.append(state, generator, potential)
    else:
        state = resumed
    done = state.step
    try:
        with _progress(last - first) as bar:
            task = bar.add_task("dynamics", total=last - first, completed=done - first)
            while state.step < last:
                frame_due = (state.step + 1 - first) % every == 0
                state = integrator.step(state, potential, generator, outputs if frame_due else ())
                _check(state, integrator, limits, frames.reference, frame_due)
                if frame_due:
                    frames.append(state, generator, potential)
                    bar.update(task, completed=state.step - first)
    finally:
        frames.flush()
    report = RunReport(
        state, frames.series(), integrator.conserves_energy, state.step - done, time.perf_counter() - begun
    )
    logger.info("%s", report)
    return report


def _check(state: State, integrator: Integrator, limits: Limits, reference: Tensor, frame_due: bool) -> None:
    check_finite(state)
    if frame_due and integrator.conserves_energy and limits.energy_jump is not None:
        check_energy(state, reference, limits.energy_jump)
    if limits.closest is not None and state.step % limits.distance_every == 0:
        check_distances(state, limits.closest)


class _Frames:
    """Frames in memory (values per structure) and, if wanted, on the disk (everything)."""

    def __init__(self, path: str | Path | None, start: State, settings: dict, chunk: int):
        self._writer = None if path is None else TrajectoryWriter(path, start, settings, chunk)
        self._every = settings["every"]
        self._earlier: dict[str, Tensor] = {}
        self._frames: list[dict[str, Tensor]] = []
        self.reference = torch.zeros(0)

    def resume(self, state: State, generator: torch.Generator | None, last: int) -> State | None:
        if self._writer is None:
            return None
        written = Trajectory(self._writer.path)
        if len(written) and written.checkpoint(state, None).step + self._every > last:
            resumed: State | None = written.checkpoint(state, generator)
            count = len(written)
        else:
            resumed = self._writer.resume(state, generator)
            count = self._writer.written
        if resumed is not None:
            names = [name for name in written.quantities if name not in _PER_ATOM]
            self._earlier = {name: written.read(name, 0, count) for name in names}
            self.reference = (self._earlier["potential"][0] + self._earlier["kinetic"][0]).to(state.velocities.device)
        return resumed

    def append(self, state: State, generator: torch.Generator | None, potential: Potential) -> None:
        if not len(self.reference):
            self.reference = state.total_energy
        self._frames.append({k: v.cpu() for k, v in frame_of(state).items() if k not in _PER_ATOM})
        forget = getattr(potential, "forget", None)
        if self._writer is not None and self._writer.append(state, generator) and forget is not None:
            forget()  # a neighbor list older than the checkpoint would make a resumed run differ in the last bits

    def flush(self) -> None:
        if self._writer is not None:
            self._writer.flush()

    def series(self) -> dict[str, Tensor]:
        names = self._frames[0] if self._frames else self._earlier
        new = {name: [frame[name] for frame in self._frames] for name in names}
        return {
            name: torch.cat([*([self._earlier[name]] if self._earlier else []), *([torch.stack(v)] if v else [])])
            for name, v in new.items()
        }


def _settings(integrator: Integrator, every: int, outputs: Sequence[str]) -> dict:
    parameters = asdict(integrator) if is_dataclass(integrator) else {"timestep": integrator.timestep}
    return {
        "integrator": {"name": type(integrator).__name__, **parameters},
        "every": every,
        "outputs": list(outputs),
    }


def _progress(total: int) -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(
        *columns,
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal or total == 0,
    )
