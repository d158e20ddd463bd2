"""Frames of a run: values of structures in memory and, if wanted, everything on the disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from atnn.dynamics.checkpoints import checkpoint_of
from atnn.dynamics.ended import Watch
from atnn.dynamics.layout import frame_axis, on_cpu
from atnn.dynamics.state import State
from atnn.dynamics.trajectory import Trajectory
from atnn.dynamics.writer import TrajectoryWriter
from atnn.quantities import Axis

_IN_MEMORY = ("frame", "structure")  # axes of what is kept in memory


class Frames:
    """Frames in memory (values of structures) and on the disk (everything).

    Args:
        path: Folder to write to, or None.
        start: The state that the run starts from.
        settings: Description of the run for the header; it holds ``every`` and ``outputs``.
        chunk: Frames in one file.
    """

    def __init__(self, path: str | Path | None, start: State, settings: dict, chunk: int):
        self._start, self._settings = start, settings
        self._writer = None if path is None else TrajectoryWriter(path, start, settings, chunk)
        self._earlier: dict[str, Tensor] = {}
        self._frames: list[dict[str, Tensor]] = []

    def resume(self, watch: Watch, generator: torch.Generator | None, steps: int) -> State | None:
        """The state to go on from; None where there is nothing on the disk.

        A last chunk that an interrupt left half full is computed again and overwritten: only then does the
        resumed run repeat the undisturbed one in every bit. It is used where no frame is to come after it.

        Args:
            watch: Set to the trajectories that were in the batch then, and those that had ended.
            generator: Source of random numbers, set to what it was then.
            steps: Number of steps that the whole run should have.

        Raises:
            DataError: A file is missing or damaged.
        """
        if self._writer is None:
            return None
        written, every = Trajectory(self._writer.path), self._settings["every"]
        full = sum(1 for count in written.chunk_lengths if count == self._writer.chunk)
        finished = len(written) * every > steps
        self._writer.go_on(full, written.ended)
        if not finished:
            self._writer.drop_partial()
        if (chunks := len(written.chunk_lengths) if finished else full) == 0:
            return None
        names = [name for name in written.quantities if frame_axis(name) in _IN_MEMORY]
        count = sum(written.chunk_lengths[:chunks])
        self._earlier = {name: written.read(name, 0, count) for name in names}
        state, watch.numbers = written.go_back(self._start, generator, chunks - 1)
        gone = set(range(len(self._start.structures))) - set(watch.numbers.tolist())
        watch.ended = [entry for entry in written.ended_from(self._start) if entry.number in gone]
        return state

    def append(self, state: State, watch: Watch, generator: torch.Generator | None) -> bool:
        """Add a frame; returns whether this put a chunk on the disk.

        Args:
            state: The state of the trajectories that are still in the batch.
            watch: Which these are, and what became of the others.
            generator: Source of random numbers, if the run uses one.
        """
        frame = frame_of(state, self._start, watch.numbers, self._settings["outputs"])
        in_memory = [name for name in frame if frame_axis(name) in _IN_MEMORY]
        frame = on_cpu(frame if self._writer is not None else {name: frame[name] for name in in_memory})
        self._frames.append({name: frame[name] for name in in_memory})
        if self._writer is None:
            return False
        checkpoint = checkpoint_of(state, watch.numbers, len(self._start.structures), generator)
        return self._writer.append(frame, checkpoint, watch.ended)

    def flush(self, watch: Watch) -> None:
        """Put on the disk what is not yet there."""
        if self._writer is not None:
            self._writer.flush(watch.ended)

    @property
    def start_energies(self) -> Float[Tensor, " structures"]:
        """Total energies at the first frame [eV]."""
        first = {name: value[0] for name, value in self._earlier.items()} or self._frames[0]
        return first["potential"] + first["kinetic"]

    def series(self) -> dict[str, Tensor]:
        """Values of structures along all frames."""
        names = self._frames[0] if self._frames else self._earlier
        new = {name: [frame[name] for frame in self._frames] for name in names}
        return {
            name: torch.cat([*([self._earlier[name]] if self._earlier else []), *([torch.stack(v)] if v else [])])
            for name, v in new.items()
        }


def frame_of(state: State, start: State, numbers: Int[Tensor, " running"], outputs: Sequence[str]) -> dict[str, Tensor]:
    """What a trajectory keeps of a state, as wide as the batch at the start; NaN for those that have ended.

    Args:
        state: The state of the trajectories that are still in the batch.
        start: The state that the run starts from.
        numbers: Numbers of those trajectories.
        outputs: Results to keep beside the energy.
    """
    # The clock of the first trajectory: those of the others may have been set at other moments.
    clock = state.time[0] + (start.time[0] - start.time[numbers[0]])
    frame = {
        "positions": state.structures.positions.float(),
        "velocities": state.velocities.float(),
        "times": clock,
        "potential": state.results["energy"].double(),
        "kinetic": state.kinetic_energy,
        **{name: state.results[name] for name in outputs if name != "energy"},
    }
    if len(numbers) == len(start.structures):
        return frame
    numbers = numbers.to(state.step.device)
    structures, counts = start.structures, start.structures.totals

    def widen(value: Tensor, axis: Axis) -> Tensor:
        missing = float("nan") if value.is_floating_point() else 0
        wide = value.new_full((counts[axis], *value.shape[1:]), missing)
        wide[structures.select_rows(axis, numbers)] = value
        return wide

    return {
        name: value if (axis := frame_axis(name)) == "frame" else widen(value, axis) for name, value in frame.items()
    }
