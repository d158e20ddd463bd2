"""The data of a run, opened and, if the configuration asks for it, split."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from atnn.data import Dataset, Summary, batches_of, duplicate_groups, load_split, save_split, split
from atnn.data.labelled import Indices
from atnn.errors import DataError
from atnn.reading import open_dataset
from atnn.structures import Labelled
from atnn.training.config import DataConfig, Part, RunConfig

SAMPLE = 200  # structures from which a model is started


class Subset:
    """A data set of some structures of another one, in a given order."""

    def __init__(self, whole: Dataset, indices: np.ndarray):
        self.whole, self.indices = whole, np.asarray(indices)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, indices: Indices) -> Labelled:
        return self.whole[self.indices[np.asarray(indices)]]

    @property
    def summary(self) -> Summary:
        """Summary of the whole data set."""
        return self.whole.summary


class Sets(NamedTuple):
    """The data sets of a run."""

    train: Dataset
    validation: Dataset
    test: Dataset | None


def open_sets(
    config: RunConfig, folder: Path, given: Mapping[str, Dataset] | None = None, resumed: bool = True
) -> Sets:
    """Open the data of a run; parts of the training data are chosen reproducibly and recorded in ``split.json``.

    Args:
        config: The run.
        folder: Folder of ``split.json``.
        given: Data sets ``train`` and, optionally, ``validation`` and ``test`` to use instead of files.
        resumed: Whether to use the split that is already in the folder.

    Raises:
        DataError: A file cannot be read, or no structure is left to train on.
    """
    given = dict(given or {})
    train = given["train"] if "train" in given else _open(config.data.train, config.data)
    parts: dict[str, Part] = {}
    for name in ("validation", "test"):
        part = getattr(config.data, name)
        if name in given or part is None:
            continue
        if isinstance(part, str | tuple):
            given[name] = _open(part, config.data)
        else:
            parts[name] = part
    if parts:
        indices = _split(train, parts, config.seed_of("split"), folder / "split.json", resumed)
        given |= {name: Subset(train, indices[name]) for name in parts}
        train = Subset(train, indices["train"])
    return Sets(train, given["validation"], given.get("test"))


def _open(path: str | tuple[str, ...], data: DataConfig) -> Dataset:
    paths = list(path) if isinstance(path, tuple) else path
    keys, units = data.keys or None, data.units or None
    return open_dataset(paths, keys=keys, units=units, format=data.format, dipole_origin=data.dipole_origin)


def _split(dataset: Dataset, parts: Mapping[str, Any], seed: int, path: Path, resumed: bool) -> dict[str, np.ndarray]:
    if resumed and path.exists():
        stored = load_split(path, len(dataset))
        if lacking := [name for name in ("train", *parts) if len(stored.get(name, ())) == 0]:
            raise DataError(
                f"the split of this run has nothing for {', '.join(lacking)}",
                where=str(path),
                remedy="restore the file, or choose another output folder",
            )
        return stored
    count = len(dataset)
    sizes = {name: part if isinstance(part, int) else max(1, round(part * count)) for name, part in parts.items()}
    sizes["train"] = count - sum(sizes.values())
    if sizes["train"] < 1:
        raise DataError(
            f"none of {count} structures is left to train on", remedy="choose smaller validation and test parts"
        )
    # Identical geometries in two parts would make the validation error too small.
    indices = split(count, sizes, seed, groups=duplicate_groups(dataset))
    save_split(path, indices, count, seed=seed)
    return indices


def find_labels(dataset: Dataset) -> set[str]:
    """Find the quantities for which at least one structure has a label."""
    return {name for part in batches_of(dataset) for name, mask in part.masks.items() if bool(mask.any())}


def draw_sample(dataset: Dataset) -> Labelled:
    """Choose at most :data:`SAMPLE` structures spread over a data set."""
    chosen = np.linspace(0, len(dataset) - 1, min(SAMPLE, len(dataset))).astype(int)
    return dataset[np.unique(chosen)]
