"""The package's own file of labelled structures: HDF5 with flat columns, read lazily.

Columns are contiguous and uncompressed, so that a frame is one positional read per column. h5py takes 50 times as long
for that, so it only tells where the columns begin. Columns below 8 MB stay in memory. Beyond that, memory does not grow
with the file. Any number of processes may read at once.
"""

from __future__ import annotations

import os
import weakref
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
import torch

from atnn.data.columns import ContentHash, find_layout
from atnn.data.dataset import as_indices
from atnn.data.labelled import Indices
from atnn.data.seals import has_seal, is_intact
from atnn.data.summary import Summary
from atnn.documents import parse_json
from atnn.errors import DataError, unreadable
from atnn.quantities import QUANTITIES, Axis
from atnn.stated import MARKS, STATED
from atnn.structures import Labelled, Structures

FORMAT, VERSION = "atnn-store", 4  # 1 kept charges, spins and field_range in its summary; 4 has pairs of atoms
SEALED = 3  # first version whose files end with a seal
VERIFIED = 1 << 28  # bytes; comparing larger stores with their hash would make every start of a training slow
# What h5py raises for damaged files.
_FAILURES = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, OverflowError, MemoryError)
_BLOCK = 1 << 20  # rows
_KEPT = 1 << 23  # bytes of a column that is small enough to stay in memory


class Store:
    """A data set in a store file, read lazily.

    Args:
        path: File written by :func:`atnn.data.write_store`.

    Raises:
        DataError: The file is missing, damaged, no store or from a newer version, or has a label that is not in the
            table of quantities. Files beyond 256 MB are compared with their hash by :meth:`verify` only.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        small = self._check_seal()
        self._load()
        if small and self.version < SEALED:
            self._verify_columns()

    def _check_seal(self) -> bool:
        """Compare a small file with its seal before HDF5 sees it; returns whether it is small."""
        try:
            small = self.path.stat().st_size <= VERIFIED
            broken = small and has_seal(self.path) and not is_intact(self.path)
        except FileNotFoundError as error:
            raise DataError("there is no such file", where=str(self.path), remedy="check the path") from error
        except OSError as error:
            raise unreadable(self.path, error) from error
        if broken:
            raise self._describe_damage("its content does not match its hash")
        return small

    def _load(self) -> None:
        try:
            with h5py.File(self.path, "r") as file:
                self.version = self._check_version(file)
                self.content_hash = str(file.attrs["hash"])
                self._summary_text = str(file.attrs["summary"])
                self._columns = {name: _Column.of(item) for name, item in _list_datasets(file)}
        except _FAILURES as error:
            raise self._describe_damage(str(error)) from error
        if self.version >= SEALED and not has_seal(self.path):
            raise self._describe_damage("its seal is gone")
        self._handle = os.open(self.path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._handle)
        self._kept: dict[str, np.ndarray] = {}
        end = os.fstat(self._handle).st_size
        for name, column in self._columns.items():
            if column.offset < 0 or column.offset + column.rows * column.row_bytes > end:
                raise self._describe_damage(f"column {name} reaches beyond the end of the file")
        self._check_columns()

    def __len__(self) -> int:
        """Number of structures."""
        return self._columns["offsets"].rows - 1

    def __getitem__(self, indices: Indices) -> Labelled:
        """The structures of the given indices, in that order, in float64."""
        order = as_indices(indices, len(self))
        breaks = np.flatnonzero(np.diff(order) != 1) + 1  # successive frames are read at once
        first = order[np.concatenate([[0], breaks])]
        last = order[np.concatenate([breaks - 1, [len(order) - 1]])]
        # The bounds of n successive frames are n + 1 offsets.
        bounds = self._read("offsets", first, last + 2)
        if (
            bounds.min() < 0
            or bounds.max() > self._columns["numbers"].rows
            or (np.diff(bounds)[_within(first, last)] < 1).any()
        ):
            raise self._describe_damage("numbers of atoms are impossible")
        ends = np.cumsum(last + 2 - first)
        starts = np.concatenate([[0], ends[:-1]])
        ranges = {"structure": (first, last + 1), "atom": (bounds[starts], bounds[ends - 1])}
        ranges |= {axis: (offsets[first], offsets[last + 1]) for axis, offsets in self._offsets.items()}
        inside = np.ones(len(bounds), dtype=bool)
        inside[starts] = False
        counts = np.diff(bounds, prepend=0)[inside]

        def take(name: str) -> torch.Tensor:
            return torch.from_numpy(self._read(name, *ranges[find_layout(name)[0]]))

        columns = self._columns
        structures = Structures(
            positions=take("positions"),
            numbers=take("numbers").to(torch.int64),
            cell=take("cell"),
            pbc=take("pbc").to(torch.bool),
            batch=torch.from_numpy(np.repeat(np.arange(len(order)), counts)),
            **{name: take(name).to(torch.bool) for name in MARKS if name in columns},
            **{name: take(name) for name in STATED if name in columns},
        )
        names = [name.removeprefix("labels/") for name in columns if name.startswith("labels/")]
        labels = {name: take(f"labels/{name}") for name in names}
        return Labelled(structures, labels, {name: take(f"masks/{name}").to(torch.bool) for name in names})

    @property
    def summary(self) -> Summary:
        """Counts, elements, sizes, labels with their keys, units and ranges, as found when it was written."""
        try:
            return Summary.from_dict(parse_json(self._summary_text, str(self.path)))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._describe_damage(f"its summary cannot be read: {error}") from error

    def verify(self) -> None:
        """Read the whole file and compare its content with the hash it was written with.

        Raises:
            DataError: The content has changed since.
        """
        if self.version < SEALED:
            self._verify_columns()
        elif not is_intact(self.path):
            raise self._describe_damage("its content does not match its hash")

    def _verify_columns(self) -> None:
        digest = ContentHash()
        for name, column in self._columns.items():
            for start in range(0, column.rows, _BLOCK):
                end = np.array([min(start + _BLOCK, column.rows)])
                if name != "offsets":
                    digest.update(name, self._read(name, np.array([start]), end))
                elif start < len(self):
                    bounds = self._read(name, np.array([start]), np.minimum(end + 1, column.rows))
                    digest.update("counts", np.diff(bounds))
        if digest.hexdigest() != self.content_hash:
            raise self._describe_damage("its content does not match its hash")

    def _read(self, name: str, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Rows of a column, from each start to each end.

        Positional reads need no lock and survive a fork. Unlike a memory map they do not count as memory of this
        process, and do not kill it when the file shrinks.
        """
        column = self._columns[name]
        if name in self._kept:
            return self._kept[name][_expand_ranges(starts, ends)]
        if column.rows * column.row_bytes <= _KEPT:
            self._kept[name] = self._read_file(column, np.array([0]), np.array([column.rows]))
            return self._read(name, starts, ends)
        return self._read_file(column, starts, ends)

    def _read_file(self, column: _Column, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        result = np.empty((int((ends - starts).sum()), *column.shape), dtype=column.kind)
        target = memoryview(result.reshape(-1).view(np.uint8).data)
        place, width = 0, column.row_bytes
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            stop = place + (end - start) * width
            while place < stop:
                got = os.preadv(self._handle, [target[place:stop]], column.offset + end * width - (stop - place))
                if got == 0:
                    raise self._describe_damage("the file ended while it was read")
                place += got
        return result

    def __getstate__(self) -> dict:
        return {"path": self.path}

    def __setstate__(self, state: dict) -> None:
        self.path = state["path"]
        self._load()

    def _check_version(self, file: h5py.File) -> int:
        if file.attrs.get("format") != FORMAT:
            raise DataError(
                "is an HDF5 file, but neither a store nor QM7-X as published",
                where=str(self.path),
                remedy="convert what it was made from to a store (atnn data convert), or write its arrays as npz",
            )
        version = int(file.attrs["version"])
        if version > VERSION:
            raise DataError(
                f"store version {version} is newer than this program's {VERSION}",
                where=str(self.path),
                remedy="update atnn, or convert the original data again",
            )
        return version

    def _check_columns(self) -> None:
        needed = ("offsets", "numbers", "positions", "cell", "pbc")
        if any(name not in self._columns for name in needed):
            raise self._describe_damage("columns are missing")
        self._check_labels()
        for name, column in self._columns.items():
            if not _is_known(name) or (name != "offsets" and column.kind != np.dtype(find_layout(name)[2])):
                raise self._describe_damage(f"column {name} of type {column.kind} is no column of a store")
        if self._columns["offsets"].kind != np.dtype("<i8") or self._columns["offsets"].rows < 1:
            raise self._describe_damage("column offsets is not what was written")
        last = np.array([len(self)])
        rows = {"structure": len(self), "atom": int(self._read("offsets", last, last + 1)[0])}
        rows |= {axis: int(offsets[-1]) for axis, offsets in self._offsets.items()}
        for name, column in self._columns.items():
            if name != "offsets" and (column.rows, column.shape) != (rows[find_layout(name)[0]], find_layout(name)[1]):
                raise self._describe_damage(f"column {name} has the shape {(column.rows, *column.shape)}")

    @cached_property
    def _offsets(self) -> dict[Axis, np.ndarray]:
        """Where the rows of each frame begin, for axes of pairs and adsorbates that labels have."""
        axes = {find_layout(name)[0] for name in self._columns if name != "offsets" and _is_known(name)}
        axes -= {"structure", "atom"}
        if not axes:
            return {}
        bounds = self._read("offsets", np.array([0]), np.array([len(self) + 1]))
        if bounds[0] != 0 or (np.diff(bounds) < 1).any() or bounds[-1] > self._columns["numbers"].rows:
            raise self._describe_damage("numbers of atoms are impossible")
        marked = np.zeros(len(self), dtype=np.int64)
        if "adsorbate" in self._columns:
            if self._columns["adsorbate"].rows != bounds[-1]:
                raise self._describe_damage("the adsorbates are not those of its atoms")
            marks = self._read("adsorbate", np.array([0]), bounds[-1:])
            marked = np.add.reduceat(marks, bounds[:-1], dtype=np.int64)
        counts = {"atom_pair": np.diff(bounds) ** 2, "adsorbate": marked, "adsorbate_pair": marked**2}
        return {axis: np.concatenate([[0], np.cumsum(counts[axis])]) for axis in axes}

    def _check_labels(self) -> None:
        for name in self._columns:
            label = name.removeprefix("labels/")
            if name != label and label not in QUANTITIES:
                raise DataError(
                    f"the store has the label {label!r}, which is not in the table of quantities",
                    where=str(self.path),
                    remedy=f"add its row before opening the store: QUANTITIES[{label!r}] = Quantity({label!r}, ...)",
                )

    def _describe_damage(self, reason: str) -> DataError:
        return DataError(
            f"the store is damaged or truncated ({reason})",
            where=str(self.path),
            remedy="copy it again, or convert the original data again",
        )


def _is_known(column: str) -> bool:
    try:
        find_layout("counts" if column == "offsets" else column)
    except KeyError:
        return False
    return True


def _within(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Which differences of the joined bounds of runs of frames lie within one run."""
    inside = np.ones(int((last - first + 2).sum()) - 1, dtype=bool)
    inside[np.cumsum(last - first + 2)[:-1] - 1] = False
    return inside


@dataclass(frozen=True, slots=True)
class _Column:
    """Where the rows of a column lie in the file."""

    offset: int
    rows: int
    shape: tuple[int, ...]
    kind: np.dtype
    row_bytes: int

    @staticmethod
    def of(item: h5py.Dataset) -> _Column:
        width = int(np.prod(item.shape[1:])) * item.dtype.itemsize
        if not item.shape:
            raise ValueError(f"column {item.name} is a single value")
        offset = item.id.get_offset() if item.shape[0] else 0  # a column without rows has no place in the file
        return _Column(-1 if offset is None else offset, item.shape[0], tuple(item.shape[1:]), item.dtype, width)


def _expand_ranges(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """All rows from each start to each end."""
    counts = ends - starts
    after = np.cumsum(counts)
    return np.arange(after[-1]) + np.repeat(starts - (after - counts), counts)


def is_store(path: Path) -> bool:
    """Whether a path is, or by its name should be, a store."""
    return path.is_file() and (path.suffix in (".h5", ".hdf5") or h5py.is_hdf5(path))


def _list_datasets(file: h5py.File) -> list[tuple[str, h5py.Dataset]]:
    found: list[tuple[str, h5py.Dataset]] = []
    file.visititems(lambda name, item: found.append((name, item)) if isinstance(item, h5py.Dataset) else None)
    return found
