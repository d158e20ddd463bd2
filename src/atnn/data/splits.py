"""Splitting data sets into disjoint parts, reproducibly, and keeping the split in a file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence

import numpy as np

from atnn.data.dataset import Dataset, batches_of
from atnn.data.geometries import hash_geometries
from atnn.documents import read_json
from atnn.errors import DataError
from atnn.files import write_atomically

_FORMAT, _VERSION = "atnn-split", 1


def split(
    count: int,
    parts: Mapping[str, float] | Mapping[str, int],
    seed: int,
    groups: Sequence[int] | np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Random disjoint parts of the indices 0 .. count-1, each in ascending order.

    Args:
        count: Number of structures.
        parts: Name -> fraction, or name -> number of structures. Fractions sum to 1, so that every structure is in one
            part. Numbers may leave structures over, which are in no part.
        seed: The same seed gives the same split.
        groups: Group of each structure. Structures of a group stay together, as duplicates should (see
            :func:`duplicate_groups`). Sizes are then met as closely as the groups allow.

    Raises:
        DataError: Fractions that do not sum to 1, more structures asked for than there are, or an empty part.

    >>> {name: len(part) for name, part in split(10, {"train": 0.8, "validation": 0.2}, seed=0).items()}
    {'train': 8, 'validation': 2}
    """
    sizes = _count_parts(count, parts)
    order = np.random.default_rng(seed).permutation(count)
    if groups is not None:
        groups = np.asarray(groups)
        if groups.shape != (count,):
            raise DataError(f"{groups.shape} groups for {count} structures", remedy="give one group per structure")
        _, labels = np.unique(groups, return_inverse=True)
        first = np.full(labels.max() + 1, count)
        np.minimum.at(first, labels[order], np.arange(count))
        order = order[np.argsort(first[labels[order]], kind="stable")]
    result, start = {}, 0
    for name, size in sizes.items():
        end = min(start + size, count)
        while groups is not None and start < end < count and labels[order[end]] == labels[order[end - 1]]:
            end += 1
        if end == start:
            raise DataError(
                f"the part {name!r} of {count} structures is empty", remedy="give it a larger share, or more data"
            )
        result[name] = np.sort(order[start:end])
        start = end
    return result


def duplicate_groups(dataset: Dataset) -> np.ndarray:
    """A number per structure that identical geometries share; it may be the ``groups`` of :func:`split`."""
    values = np.concatenate([hash_geometries(batch.structures) for batch in batches_of(dataset)])
    return np.unique(values, return_inverse=True)[1]


def save_split(path: str | os.PathLike, parts: Mapping[str, np.ndarray], count: int, seed: int | None = None) -> None:
    """Write a split as JSON, with the number of structures that it is for."""
    content = {"format": _FORMAT, "version": _VERSION, "count": int(count), "seed": seed}
    content["parts"] = {name: [int(index) for index in part] for name, part in parts.items()}
    write_atomically(path, json.dumps(content) + "\n")


def load_split(path: str | os.PathLike, count: int | None = None) -> dict[str, np.ndarray]:
    """The split that :func:`save_split` wrote.

    Args:
        path: The JSON file.
        count: Number of structures of the data set that the split is used for.

    Raises:
        DataError: No such file, no split, parts that overlap, or a split of another data set.
    """
    try:
        content = read_json(path)
        if content["format"] != _FORMAT or content["version"] > _VERSION:
            raise ValueError(f"format {content['format']!r}, version {content['version']}")
        parts = {name: _take_indices(part) for name, part in content["parts"].items()}
        stored = int(content["count"])
    except (DataError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise DataError(f"is no split that can be read ({error})", where=str(path), remedy="make a new split") from None
    everything = np.concatenate([*parts.values(), np.zeros(0, dtype=np.int64)])
    if len(np.unique(everything)) != len(everything):
        raise DataError("parts of the split overlap", where=str(path), remedy="make a new split")
    if len(everything) and not 0 <= everything.min() <= everything.max() < stored:
        raise DataError(f"indices outside 0 .. {stored - 1}", where=str(path), remedy="make a new split")
    if count is not None and count != stored:
        raise DataError(
            f"the split is for {stored} structures, the data set has {count}",
            where=str(path),
            remedy="use the data set that it was made for, or make a new split",
        )
    return parts


def _take_indices(part: list[int]) -> np.ndarray:
    indices = np.array(part)
    if indices.ndim != 1 or (indices.size and indices.dtype.kind not in "iu"):
        raise ValueError("a part is no list of whole numbers")
    return indices.astype(np.int64)


def _count_parts(count: int, parts: Mapping[str, float] | Mapping[str, int]) -> dict[str, int]:
    if not parts:
        raise DataError("a split without parts", remedy='give e.g. {"train": 0.8, "validation": 0.2}')
    if any(value < 0 for value in parts.values()):
        raise DataError(f"negative part in {dict(parts)}", remedy="give positive fractions or numbers")
    if not all(value < float("inf") for value in parts.values()):
        raise DataError(f"{dict(parts)} holds no fractions or numbers", remedy="give positive fractions or numbers")
    if all(isinstance(value, int | np.integer) for value in parts.values()) and sum(parts.values()) > 1:
        if sum(parts.values()) > count:
            raise DataError(
                f"{sum(parts.values())} structures asked for, there are {count}", remedy="ask for fewer, or fractions"
            )
        return {name: int(value) for name, value in parts.items()}
    if abs(sum(parts.values()) - 1) > 1e-6:
        raise DataError(
            f"fractions {dict(parts)} sum to {sum(parts.values()):g}, not 1",
            remedy="let them sum to 1, or give whole numbers of structures",
        )
    edges = np.rint(np.cumsum([0.0, *parts.values()]) * count).astype(int)
    return {name: int(size) for name, size in zip(parts, np.diff(edges), strict=True)}
