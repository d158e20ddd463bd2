"""From one file to one file per part of a split."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from atnn.data.reading import open_dataset
from atnn.data.splits import duplicate_groups, save_split, split
from atnn.data.writing import write_extxyz


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
        DataError: The file cannot be read, or a part is empty.
    """
    dataset, target = open_dataset(path), Path(folder)
    indices = split(len(dataset), parts, seed, groups=duplicate_groups(dataset))
    target.mkdir(parents=True, exist_ok=True)
    for name, chosen in indices.items():
        write_extxyz(target / f"{name}.xyz", dataset[chosen])
    save_split(target / "split.json", indices, len(dataset), seed=seed)
    return {target / f"{name}.xyz": len(chosen) for name, chosen in indices.items()}
