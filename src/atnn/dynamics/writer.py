"""Writing trajectories, safe against ``kill -9`` at any moment and resumable bit by bit."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from atnn.archives import encode
from atnn.dynamics.checkpoints import load_ended, write_ended
from atnn.dynamics.ended import Ended
from atnn.dynamics.layout import (
    CHUNK,
    FORMAT,
    SEALED,
    STATIC,
    VERSION,
    chunk_path,
    ended_path,
    fingerprint,
    on_cpu,
    part_header,
    read_header,
    seal,
)
from atnn.dynamics.state import State
from atnn.errors import AtnnWarning, DataError
from atnn.files import write_atomically


class TrajectoryWriter:
    """Collects frames and writes them chunk by chunk.

    Args:
        path: Folder of the trajectory; made when it does not exist.
        start: The state that the run starts from; identifies the run when it is resumed.
        settings: Description of the run (integrator, outputs, units, frame distance).
        chunk: Frames in one file; at most so many are lost when the process is killed.

    Raises:
        DataError: The folder holds a trajectory of another run, or cannot be written.
    """

    def __init__(self, path: str | Path, start: State, settings: dict[str, Any], chunk: int = 100):
        self.path, self.chunk = Path(path), chunk
        self._index = 0
        self._frames: list[dict[str, Tensor]] = []
        self._checkpoint: dict[str, Tensor] = {}
        self._ended: list[tuple[int, int]] = []  # trajectory and step of those in the file
        header = {"format": FORMAT, "version": VERSION, "chunk": chunk, "start": fingerprint(start), **settings}
        header = json.loads(json.dumps(header, default=_plain))
        self._start = header["start"]
        if self.path.exists() and not self.path.is_dir():
            raise DataError("is a file, not a folder", where=str(path), remedy="choose another folder")
        if (self.path / "header.json").exists():
            existing = read_header(self.path)
            self._recognise(header, existing)
            if existing["version"] == VERSION:
                return
            self._adopt(header, existing, start)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                f"cannot be made ({error.strerror or error})", where=str(path), remedy="choose another folder"
            ) from error
        static = {name: getattr(start.structures, name) for name in STATIC}
        static |= {name: getattr(start, name) for name in ("masses", "degrees", "free", "step", "time")}
        file = self.path / "start.safetensors"
        write_atomically(file, encode(part_header(self._start, file), on_cpu(static)))
        header["seal"] = seal(header)
        write_atomically(self.path / "header.json", json.dumps(header, indent=1) + "\n")

    def go_on(self, chunks: int, ended: Sequence[Ended]) -> None:
        """Go on after so many full chunks, in a folder that says which trajectories have ended."""
        self._index, self._ended = chunks, _keys(ended)

    def drop_partial(self) -> None:
        """Remove the chunk that an interrupt left half full, and that is going to be computed again.

        It must not stand beside a list of ended trajectories that does not yet explain what it misses.
        """
        chunk_path(self.path, self._index).unlink(missing_ok=True)

    def append(self, frame: dict[str, Tensor], checkpoint: dict[str, Tensor], ended: Sequence[Ended]) -> bool:
        """Add a frame; returns whether this completed a chunk and put it on the disk.

        Args:
            frame: What to keep, on the CPU.
            checkpoint: All that is needed to go on from this frame.
            ended: The trajectories that have ended so far.

        Raises:
            DataError: The disk is full; earlier chunks are intact.
        """
        self._frames.append(frame)
        self._checkpoint = checkpoint
        if len(self._frames) < self.chunk:
            return False
        self.flush(ended)
        return True

    def flush(self, ended: Sequence[Ended]) -> None:
        """Put the frames collected so far on the disk, and the trajectories that have ended.

        Raises:
            DataError: The disk is full; earlier chunks are intact.
        """
        if _keys(ended) != self._ended:  # before the chunk that misses them
            write_ended(ended_path(self.path), self._start, ended)
            self._ended = _keys(ended)
        if not self._frames:
            return
        stacked = {name: torch.stack([frame[name] for frame in self._frames]) for name in self._frames[0]}
        path = chunk_path(self.path, self._index)
        write_atomically(path, encode(part_header(self._start, path), {**stacked, **self._checkpoint}))
        if len(self._frames) == self.chunk:
            self._frames, self._index = [], self._index + 1

    def _recognise(self, header: dict[str, Any], existing: dict[str, Any]) -> None:
        derived = {"version", "units", "unsealed", "seal"}
        # An older version did not know all that is in the header now.
        known = existing.keys() if existing["version"] < VERSION else header.keys() | existing.keys()
        other = sorted(k for k in known - derived if header.get(k) != existing.get(k))
        if other:
            change = f": {_name(existing.get('potential'))} made it, not {_name(header.get('potential'))}"
            raise DataError(
                f"holds the trajectory of another run (different {', '.join(other)})"
                + (change if "potential" in other else ""),
                where=str(self.path),
                remedy="choose another folder, or remove this one; to resume, repeat the call that began it",
            )

    def _adopt(self, header: dict[str, Any], existing: dict[str, Any], start: State) -> None:
        """Go on with a folder of an older version, whose chunks stay as they are."""
        warnings.warn(
            f"{self.path} was begun by an older atnn, which did not note the potential: "
            "whether the same one goes on cannot be checked",
            AtnnWarning,
            stacklevel=5,
        )
        if existing["version"] < SEALED:
            header["unsealed"] = sum(1 for path in self.path.iterdir() if CHUNK.fullmatch(path.name))
            write_ended(ended_path(self.path), self._start, load_ended(ended_path(self.path), existing, start))


def _keys(ended: Sequence[Ended]) -> list[tuple[int, int]]:
    return [(entry.number, entry.step) for entry in ended]


def _name(potential: str | None) -> str:
    return "one that does not say what it is" if potential is None else f"the potential {potential}"


def _plain(value: Any) -> Any:
    """What stands for a value in JSON; the same in every process."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, set | frozenset):
        return sorted(value)
    if hasattr(value, "tolist"):  # tensors and arrays
        return value.tolist()
    return str(value) if isinstance(value, Path) else f"{type(value).__module__}.{type(value).__qualname__}"
