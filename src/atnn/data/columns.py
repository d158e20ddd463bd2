"""A data set as flat columns. It is stored and hashed by them, whatever the size of the batches."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import numpy as np

from atnn.data.dataset import Dataset, batches_of
from atnn.quantities import AXES, Axis, quantity
from atnn.stated import MARKS, STATED
from atnn.structures import Labelled

_FIXED: dict[str, tuple[Axis, tuple[int, ...], str]] = {
    "counts": ("structure", (), "<i8"),
    "numbers": ("atom", (), "u1"),
    "positions": ("atom", (3,), "<f8"),
    "cell": ("structure", (3, 3), "<f8"),
    "pbc": ("structure", (3,), "u1"),
}
_FIXED |= {name: ("atom", (), "u1") for name in MARKS}
_FIXED |= {name: ("structure", entry.shape, "<i8" if entry.integer else "<f8") for name, entry in STATED.items()}
_BLOCK = 1 << 16


def find_layout(column: str) -> tuple[Axis, tuple[int, ...], str]:
    """The axis of a column, as in the table of quantities, the shape of a row, and its type.

    Raises:
        KeyError: The column belongs to no row of the table of quantities.
    """
    if column.startswith("labels/"):
        entry = quantity(column.removeprefix("labels/"))
        return entry.axis, entry.shape, "<f8"
    if column.startswith("masks/"):
        return "structure", (), "u1"
    return _FIXED[column]


class Columns:
    """Passes batches on to a sink, column by column. A column that appears late begins with zeros.

    Args:
        sink: Called with the name of a column and its next rows.
    """

    def __init__(self, sink: Callable[[str, np.ndarray], None]):
        self._sink = sink
        self.rows: dict[str, int] = {}
        self.frames = 0
        self._ends: dict[Axis, int] = dict.fromkeys(AXES, 0)

    def add(self, labelled: Labelled) -> None:
        """Pass on another batch."""
        given = dict(_list_arrays(labelled))
        before, more = self._ends, labelled.structures.totals
        self._ends = {axis: end + more[axis] for axis, end in before.items()}
        self.frames = self._ends["structure"]
        for column, values in given.items():
            self._fill(column, before[find_layout(column)[0]])
            self._put(column, values)
        for column in self.rows:
            self._fill(column, self._ends[find_layout(column)[0]])

    def _put(self, column: str, values: np.ndarray) -> None:
        _, shape, kind = find_layout(column)
        self._sink(column, np.ascontiguousarray(values, dtype=kind).reshape(-1, *shape))
        self.rows[column] = self.rows.get(column, 0) + len(values)

    def _fill(self, column: str, until: int) -> None:
        _, shape, kind = find_layout(column)
        self.rows.setdefault(column, 0)
        while (lacking := until - self.rows[column]) > 0:
            self._put(column, np.zeros((min(lacking, _BLOCK), *shape), dtype=kind))


class ContentHash:
    """SHA-256 of the columns of a data set."""

    def __init__(self) -> None:
        self._columns: dict[str, hashlib._Hash] = {}

    def update(self, column: str, values: np.ndarray) -> None:
        """The next rows of a column."""
        digest = self._columns.setdefault(column, hashlib.sha256())
        digest.update(np.ascontiguousarray(values, dtype=find_layout(column)[2]).data)

    def hexdigest(self) -> str:
        """The hash of everything seen so far."""
        total = hashlib.sha256()
        for column in sorted(self._columns):
            total.update(f"{column}:{self._columns[column].hexdigest()};".encode())
        return total.hexdigest()


def data_hash(dataset: Dataset) -> str:
    """SHA-256 of all geometries and labels in float64, in order.

    It is the same for a file and its store. A store has it among its attributes.
    """
    stored = getattr(dataset, "content_hash", None)
    if isinstance(stored, str):
        return stored
    digest = ContentHash()
    columns = Columns(digest.update)
    for batch in batches_of(dataset):
        columns.add(batch)
    return digest.hexdigest()


def _list_arrays(labelled: Labelled) -> Iterator[tuple[str, np.ndarray]]:
    structures = labelled.structures
    values = {name: getattr(structures, name) for name in _FIXED}
    for name, value in values.items():
        if value is not None:
            yield name, value.detach().cpu().numpy()
    for name, value in labelled.labels.items():
        # What is masked out counts as zero, so that the hash does not depend on what stands there.
        mask = labelled.masks[name]
        keep = mask[structures.rows(quantity(name).axis)]
        shaped = keep.reshape(-1, *[1] * (value.dim() - 1))
        yield f"labels/{name}", value.detach().where(shaped, value.new_zeros(())).cpu().numpy()
        yield f"masks/{name}", mask.cpu().numpy()
