"""The protocol of data sets, data sets in memory, and several data sets as one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from atnn.data.labelled import Indices, check_labels, concatenate, select
from atnn.data.summary import Source, Summary
from atnn.errors import DataError
from atnn.structures import Labelled


@runtime_checkable
class Dataset(Protocol):
    """Labelled structures by index, in float64.

    ``dataset[indices]`` is one batch of the chosen structures in that order. A slice works too.
    """

    def __len__(self) -> int:
        """Number of structures."""
        ...

    def __getitem__(self, indices: Indices) -> Labelled:
        """The structures of the given indices."""
        ...

    @property
    def summary(self) -> Summary:
        """Counts, elements, sizes, labels with their keys, units and ranges."""
        ...


class Frames:
    """A data set in memory.

    Args:
        labelled: One labelled batch or several, which are joined. Labels that are missing in some are masked there.
        summary: What is known about the source; counted from the content when not given.

    Raises:
        DataError: Nothing is given, or a label has a wrong shape.
    """

    def __init__(self, labelled: Labelled | Iterable[Labelled], summary: Summary | None = None):
        self.labelled = labelled if isinstance(labelled, Labelled) else concatenate(labelled)
        check_labels(self.labelled)
        self._summary = summary

    def __len__(self) -> int:
        """Number of structures."""
        return len(self.labelled.structures)

    def __getitem__(self, indices: Indices) -> Labelled:
        """The structures of the given indices, in that order."""
        return select(self.labelled, as_indices(indices, len(self)))

    @property
    def summary(self) -> Summary:
        """Counts, elements, sizes, labels with their keys, units and ranges."""
        if self._summary is None:
            self._summary = Summary()
            self._summary.add(self.labelled)
        return self._summary


class Joined:
    """Several data sets as one, without loading any of them.

    Args:
        parts: The data sets, in order.
    """

    def __init__(self, parts: Sequence[Dataset]):
        if not parts:
            raise DataError("no data set to join", remedy="give at least one")
        self.parts = list(parts)
        self._starts = np.cumsum([0] + [len(part) for part in self.parts])
        self._summary: Summary | None = None

    def __len__(self) -> int:
        """Number of structures of all parts."""
        return int(self._starts[-1])

    def __getitem__(self, indices: Indices) -> Labelled:
        """The structures of the given indices, in that order."""
        order = as_indices(indices, len(self))
        owner = np.searchsorted(self._starts, order, side="right") - 1
        taken = [np.flatnonzero(owner == part) for part in range(len(self.parts))]
        batches = [
            self.parts[part][order[places] - self._starts[part]] for part, places in enumerate(taken) if len(places)
        ]
        joined = concatenate(batches)
        return select(joined, np.argsort(np.concatenate(taken), kind="stable").tolist())

    @property
    def summary(self) -> Summary:
        """Counts over all parts, for which they are read through once."""
        if self._summary is None:
            total = Summary()
            sources: Mapping[str, Source] = {
                name: Source(label.key, label.unit)
                for part in reversed(self.parts)
                for name, label in part.summary.labels.items()
            }
            for part in self.parts:
                for batch in batches_of(part):
                    total.add(batch, sources)
                total.sources += [s for s in part.summary.sources if s not in total.sources]
                total.notes += [n for n in part.summary.notes if n not in total.notes]
            self._summary = total
        return self._summary


def batches_of(dataset: Dataset, size: int = 1024) -> Iterator[Labelled]:
    """The whole data set in order, a batch at a time."""
    for start in range(0, len(dataset), size):
        yield dataset[range(start, min(start + size, len(dataset)))]


def as_indices(indices: Indices, count: int) -> np.ndarray:
    """Indices or a slice as an array of non-negative integers.

    Raises:
        DataError: An index lies outside the data set.
    """
    if isinstance(indices, slice):
        return np.arange(*indices.indices(count), dtype=np.int64)
    order = np.asarray(indices, dtype=np.int64).reshape(-1)
    if len(order) == 0:
        raise DataError("an empty batch was asked for", remedy="ask for at least one index")
    if order.min() < -count or order.max() >= count:
        raise DataError(
            f"index {order.max() if order.max() >= count else order.min()} of a data set of {count} structures",
            remedy="make the split for this data set",
        )
    return np.where(order < 0, order + count, order)
