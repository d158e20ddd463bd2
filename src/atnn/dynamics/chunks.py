"""The chunks of frames of a trajectory folder, as one sequence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from atnn.dynamics.checkpoints import PREFIX, missing
from atnn.dynamics.layout import CHUNK, chunk_path, load, opened
from atnn.errors import DataError


class Chunks:
    """Frames on the disk.

    Args:
        folder: Folder of the trajectory.

    Attributes:
        paths: Files of the chunks.
        lengths: Number of frames in each.

    Raises:
        DataError: A chunk is missing or damaged.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        found = sorted(path for path in folder.iterdir() if CHUNK.fullmatch(path.name))
        if found != [chunk_path(folder, index) for index in range(len(found))]:
            raise DataError("a chunk is missing", where=str(folder), remedy="restore the file, or remove later ones")
        self.paths = found
        self.lengths = [_length(path) for path in found]

    def __len__(self) -> int:
        """Number of frames."""
        return sum(self.lengths)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of what frames hold."""
        if not self.paths:
            return ()
        with opened(self.paths[0]) as file:
            return tuple(sorted(name for name in file.keys() if not name.startswith(PREFIX)))  # noqa: SIM118

    @property
    def missing(self) -> list[int]:
        """Numbers of the trajectories that are not in the last frame."""
        return missing(self.paths[-1]) if self.paths else []

    def read(self, name: str, start: int, stop: int, rows: Tensor | None) -> Tensor:
        """One quantity along some frames, of some rows if given; nothing else is loaded.

        Raises:
            DataError: The frames do not hold it; the message lists what they hold.
        """
        if name not in self.names:
            known = ", ".join(self.names) or "no frames yet"
            raise DataError(f"no {name!r} in the trajectory", where=str(self.folder), remedy=f"it has: {known}")
        parts: list[Tensor] = []
        begin = 0
        for path, count in zip(self.paths, self.lengths, strict=True):
            low, high = max(start - begin, 0), min(stop - begin, count)
            if low < high or not parts:
                with opened(path) as file:
                    part = file.get_slice(name)[low : max(low, high)]
                parts.append(part if rows is None else part[:, rows])
            begin += count
        return torch.cat(parts)

    def walk(self) -> Iterator[tuple[int, int, dict[str, Tensor]]]:
        """First frame, number of frames, and all that they hold, chunk by chunk."""
        begin = 0
        for path, count in zip(self.paths, self.lengths, strict=True):
            yield begin, count, {name: value for name, value in load(path).items() if not name.startswith(PREFIX)}
            begin += count


def _length(path: Path) -> int:
    with opened(path) as file:
        return file.get_slice("times").get_shape()[0]
