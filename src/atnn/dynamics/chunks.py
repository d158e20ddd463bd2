"""The chunks of frames of a trajectory folder, as one sequence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from atnn.archives import Archive
from atnn.dynamics.checkpoints import PREFIX, missing
from atnn.dynamics.layout import CHUNK, check_shapes, chunk_path, frame_axis, open_part
from atnn.errors import DataError, suggest
from atnn.quantities import QUANTITIES, Axis

_SHAPES: dict[str, tuple[int, ...]] = {"positions": (3,), "velocities": (3,)}  # of an atom


class Chunks:
    """Frames on the disk.

    Args:
        folder: Folder of the trajectory.
        header: Its header.
        counts: Number of rows of each axis in a frame.

    Attributes:
        paths: Files of the chunks.
        lengths: Number of frames in each.

    Raises:
        DataError: A chunk is missing or damaged.
    """

    def __init__(self, folder: Path, header: Mapping[str, Any], counts: Mapping[Axis, int]):
        self.folder, self._header, self._counts = folder, header, counts
        self._last: Archive | None = None
        found = sorted(path for path in folder.iterdir() if CHUNK.fullmatch(path.name))
        if found != [chunk_path(folder, index) for index in range(len(found))]:
            raise DataError("a chunk is missing", where=str(folder), remedy="restore the file, or remove later ones")
        self.paths = found
        self.lengths = [self._check(path) for path in found]
        if any(count != header["chunk"] for count in self.lengths[:-1]):
            raise DataError("a chunk is not full", where=str(folder), remedy="restore the files from a copy")

    def __len__(self) -> int:
        """Number of frames."""
        return sum(self.lengths)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of what frames hold."""
        if not self.paths:
            return ()
        return _quantities(self.open(self.paths[0]))

    @property
    def missing(self) -> list[int]:
        """Numbers of the trajectories that are not in the last frame."""
        return missing(self.open(self.paths[-1])) if self.paths else []

    def read(self, name: str, start: int, stop: int, rows: Tensor | None) -> Tensor:
        """One quantity along some frames, of some rows if given; nothing else is loaded.

        Raises:
            DataError: The frames do not hold it; the message lists what they hold.
        """
        if name not in self.names:
            known = suggest(name, self.names) + "it has: " + (", ".join(self.names) or "no frames yet")
            raise DataError(f"no {name!r} in the trajectory", where=str(self.folder), remedy=known)
        parts: list[Tensor] = []
        begin = 0
        for path, count in zip(self.paths, self.lengths, strict=True):
            low, high = max(start - begin, 0), min(stop - begin, count)
            if low < high or not parts:
                part = self.open(path).rows(name, low, max(low, high))
                parts.append(part if rows is None else part[:, rows])
            begin += count
        return torch.cat(parts)

    def walk(self) -> Iterator[tuple[int, int, dict[str, Tensor]]]:
        """First frame, number of frames, and all that they hold, chunk by chunk."""
        begin = 0
        for path, count in zip(self.paths, self.lengths, strict=True):
            archive = self.open(path)
            yield begin, count, {name: archive[name] for name in _quantities(archive)}
            begin += count

    def open(self, path: Path) -> Archive:
        """A chunk; the one used last stays open, because frames are often read one after another."""
        if self._last is None or self._last.path != path:
            self._last = open_part(path, self._header)
        return self._last

    def _check(self, path: Path) -> int:
        """Number of frames of a chunk in which everything has its place."""
        archive = self.open(path)
        check_shapes(archive, {"times": (None,)})
        frames = archive.shape("times")[0]
        shapes: dict[str, tuple[int | None, ...]] = {name: (frames,) for name in _quantities(archive)}
        for name in {"positions", "velocities", "potential", "kinetic"} | (shapes.keys() & QUANTITIES.keys()):
            entry = QUANTITIES.get(name)
            axis = frame_axis(name)
            rows = () if axis == "frame" else (self._counts[axis],)
            shapes[name] = (frames, *rows, *(_SHAPES.get(name, ()) if entry is None else entry.shape))
        check_shapes(archive, shapes)
        if frames < 1 or frames > self._header["chunk"]:
            raise archive.damaged(f"{frames} frames in a chunk of {self._header['chunk']}")
        return frames


def _quantities(archive: Archive) -> tuple[str, ...]:
    return tuple(sorted(name for name in archive.names if not name.startswith(PREFIX)))
