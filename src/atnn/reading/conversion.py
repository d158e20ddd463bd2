"""From files to other files: a store, or one file for each part of a split."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from atnn.data.splits import duplicate_groups, save_split, split
from atnn.data.store import Store
from atnn.data.store_writer import write_store
from atnn.data.summary import Summary
from atnn.data.writing import write_extxyz
from atnn.errors import DataError
from atnn.reading.files import Paths, open_dataset, stream


def convert(
    paths: Paths,
    target: str | os.PathLike,
    *,
    keys: Mapping[str, str | None] | None = None,
    units: Mapping[str, str] | None = None,
    format: str | None = None,
    dipole_origin: str | None = None,
) -> Store:
    """Read files and write them as one store; never more than a batch is in memory.

    Args:
        paths: As in :func:`atnn.reading.read`.
        target: The store; an existing one is replaced when the new one is complete.
        keys: As in :func:`atnn.reading.read`.
        units: As in :func:`atnn.reading.read`.
        format: As in :func:`atnn.reading.read`.
        dipole_origin: As in :func:`atnn.reading.read`.

    Raises:
        DataError: As for :func:`atnn.reading.read`, or the store cannot be written; an old file is then intact.
    """
    summary = Summary()
    parts = stream(paths, keys=keys, units=units, format=format, dipole_origin=dipole_origin, summary=summary)
    return write_store(target, parts, summary)


def split_files(
    path: str | os.PathLike, parts: Mapping[str, float] | Mapping[str, int], seed: int, folder: str | os.PathLike
) -> dict[Path, int]:
    """Split a file into ``name.xyz`` for each part, and keep the indices in ``split.json``.

    Identical geometries stay in one part.

    Args:
        path: Any readable file with labelled structures.
        parts: Name -> fraction or number of structures, as in :func:`atnn.data.split`.
        seed: The same seed gives the same split.
        folder: Where the files are written.

    Returns:
        Path -> number of structures of each part.

    Raises:
        DataError: The file cannot be read, a part is empty, or its name is no plain one or would replace the file.
    """
    target = Path(folder)
    for name in parts:
        _check_part(name, target, Path(path))
    dataset = open_dataset(path)
    indices = split(len(dataset), parts, seed, groups=duplicate_groups(dataset))
    target.mkdir(parents=True, exist_ok=True)
    for name, chosen in indices.items():
        write_extxyz(target / f"{name}.xyz", dataset[chosen])
    save_split(target / "split.json", indices, len(dataset), seed=seed)
    return {target / f"{name}.xyz": len(chosen) for name, chosen in indices.items()}


def _check_part(name: str, folder: Path, source: Path) -> None:
    """Refuse names of parts that would be files elsewhere, hidden ones, or the file that is split."""
    if not re.fullmatch(r"\w[\w.+ -]{0,99}", name):
        raise DataError(
            "is no plain name for the file of a part",
            where=repr(name)[:60],
            remedy="use letters, digits and _.+-, for instance train",
        )
    if (folder / f"{name}.xyz").resolve() == source.resolve():
        raise DataError(
            f"would be replaced by its part {name!r}",
            where=str(source),
            remedy="choose another name, or another folder",
        )
