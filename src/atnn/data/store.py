"""The project's own file of labelled structures: HDF5 with flat columns, read lazily through a memory map.

Columns are contiguous and uncompressed, so that a random batch costs no more than touching its pages; h5py is only
asked where the columns begin. Any number of processes may read at once, and memory does not grow with the file.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import h5py
import numpy as np
import torch

from atnn.data.columns import ContentHash, layout
from atnn.data.dataset import as_indices
from atnn.data.labelled import Indices
from atnn.data.summary import Summary
from atnn.errors import DataError
from atnn.structures import Labelled, Structures

FORMAT, VERSION = "atnn-store", 1
_BLOCK = 1 << 20


class Store:
    """A data set in a store file, read lazily.

    Args:
        path: File written by :func:`atnn.data.write_store`.

    Raises:
        DataError: The file is missing, truncated, no store, or from a newer version.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self._load()

    def _load(self) -> None:
        if not self.path.exists():
            raise DataError("there is no such file", where=str(self.path), remedy="check the path")
        try:
            with h5py.File(self.path, "r") as file:
                self._check_version(file)
                self.content_hash = str(file.attrs["hash"])
                self._summary_text = str(file.attrs["summary"])
                places = {name: _place(item) for name, item in _datasets(file)}
        except (OSError, RuntimeError, KeyError) as error:
            raise self._damaged(str(error)) from error
        content = np.memmap(self.path, mode="r", dtype=np.uint8)
        self._columns = {}
        for name, (offset, shape, kind) in places.items():
            size = int(np.prod(shape)) * kind.itemsize
            if offset is None or offset + size > len(content):
                raise self._damaged(f"column {name} reaches beyond the end of the file")
            self._columns[name] = np.ndarray(shape, kind, buffer=content, offset=offset)
        self._check_sizes()

    def __len__(self) -> int:
        """Number of structures."""
        return len(self._columns["offsets"]) - 1

    def __getitem__(self, indices: Indices) -> Labelled:
        """The structures of the given indices, in that order, in float64."""
        columns = self._columns
        order = as_indices(indices, len(self))
        starts = columns["offsets"][order]
        counts = columns["offsets"][order + 1] - starts
        ends = np.cumsum(counts)
        atoms = np.arange(ends[-1]) + np.repeat(starts - (ends - counts), counts)

        def take(name: str) -> torch.Tensor:
            return torch.from_numpy(columns[name][atoms if layout(name)[0] == "atom" else order])

        structures = Structures(
            positions=take("positions"),
            numbers=take("numbers").to(torch.int64),
            cell=take("cell"),
            pbc=take("pbc").to(torch.bool),
            batch=torch.from_numpy(np.repeat(np.arange(len(order)), counts)),
            charge=take("charge") if "charge" in columns else None,
            spin=take("spin") if "spin" in columns else None,
            field=take("field") if "field" in columns else None,
        )
        names = [name.removeprefix("labels/") for name in columns if name.startswith("labels/")]
        labels = {name: take(f"labels/{name}") for name in names}
        return Labelled(structures, labels, {name: take(f"masks/{name}").to(torch.bool) for name in names})

    @property
    def summary(self) -> Summary:
        """Counts, elements, sizes, labels with their keys, units and ranges, as found when it was written."""
        return Summary.from_dict(json.loads(self._summary_text))

    def verify(self) -> None:
        """Read the whole file and compare its content with the hash it was written with.

        Raises:
            DataError: The content has changed since.
        """
        digest = ContentHash()
        for name, column in self._columns.items():
            for start in range(0, len(column), _BLOCK):
                if name == "offsets":
                    if start < len(self):
                        digest.update("counts", np.diff(column[start : start + _BLOCK + 1]))
                else:
                    digest.update(name, column[start : start + _BLOCK])
        if digest.hexdigest() != self.content_hash:
            raise self._damaged("its content does not match its hash")

    def __getstate__(self) -> dict:
        return {"path": self.path}

    def __setstate__(self, state: dict) -> None:
        self.path = state["path"]
        self._load()

    def _check_version(self, file: h5py.File) -> None:
        if file.attrs.get("format") != FORMAT:
            raise DataError("is an HDF5 file, but no store", where=str(self.path), remedy="convert: atnn data convert")
        version = int(file.attrs["version"])
        if version > VERSION:
            raise DataError(
                f"store version {version} is newer than this program's {VERSION}",
                where=str(self.path),
                remedy="update atnn, or convert the original data again",
            )

    def _check_sizes(self) -> None:
        needed = ("offsets", "numbers", "positions", "cell", "pbc")
        if any(name not in self._columns for name in needed):
            raise self._damaged("columns are missing")
        rows = {"structure": len(self), "atom": int(self._columns["offsets"][-1])}
        for name, column in self._columns.items():
            if name != "offsets" and column.shape != (rows[layout(name)[0]], *layout(name)[1]):
                raise self._damaged(f"column {name} has the shape {column.shape}")

    def _damaged(self, reason: str) -> DataError:
        return DataError(
            f"the store is damaged or truncated ({reason})",
            where=str(self.path),
            remedy="copy it again, or convert the original data again",
        )


def is_store(path: Path) -> bool:
    """Whether a path is, or by its name should be, a store."""
    return path.is_file() and (path.suffix in (".h5", ".hdf5") or h5py.is_hdf5(path))


def _datasets(file: h5py.File) -> list[tuple[str, h5py.Dataset]]:
    found: list[tuple[str, h5py.Dataset]] = []
    file.visititems(lambda name, item: found.append((name, item)) if isinstance(item, h5py.Dataset) else None)
    return found


def _place(item: h5py.Dataset) -> tuple[int | None, tuple[int, ...], np.dtype]:
    return item.id.get_offset(), item.shape, item.dtype
