"""Writing a store as a stream. Batches go to temporary columns on disk, and these into one HDF5 file."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import h5py
import numpy as np

from atnn.data.columns import Columns, ContentHash, find_layout
from atnn.data.dataset import Dataset, batches_of
from atnn.data.seals import write_seal
from atnn.data.store import FORMAT, VERSION, Store
from atnn.data.summary import Summary
from atnn.errors import DataError
from atnn.files import write_atomically
from atnn.structures import Labelled

_BLOCK = 1 << 20  # rows


def write_store(
    path: str | os.PathLike, data: Dataset | Labelled | Iterable[Labelled], summary: Summary | None = None
) -> Store:
    """Write labelled structures as a store. Never more than a batch is in memory.

    Args:
        path: The file; an existing one is replaced when the new one is complete.
        data: A data set, or labelled batches one after the other.
        summary: What to keep as its description. Without it, that of the data set is kept, or batches are counted.

    Raises:
        DataError: There is nothing to write, or the disk is full; an old file is then intact.
    """
    target = Path(path)
    batches, summary, counted = _find_batches(data, summary)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder, ExitStack() as stack:
            files: dict[str, BinaryIO] = {}

            def append(column: str, values: np.ndarray) -> None:
                if column not in files:
                    files[column] = stack.enter_context(open(Path(folder, column.replace("/", ".")), "wb"))
                files[column].write(values.data)

            columns = Columns(append)
            for batch in batches:
                columns.add(batch)
                if counted:
                    summary.add(batch)
            if columns.frames == 0:
                raise DataError("there are no structures to write", where=str(target), remedy="check the source")
            for file in files.values():
                file.flush()
            write_atomically(target, lambda temporary: _assemble(temporary, Path(folder), columns.rows, summary))
    except OSError as error:
        raise DataError(
            f"cannot be written ({error.strerror or error})",
            where=str(target),
            remedy="free space on the disk or choose another folder; an old file is intact",
        ) from error
    return Store(target)


def _find_batches(
    data: Dataset | Labelled | Iterable[Labelled], summary: Summary | None
) -> tuple[Iterable[Labelled], Summary, bool]:
    if isinstance(data, Labelled):
        data = [data]
    if isinstance(data, Dataset):
        return batches_of(data), data.summary if summary is None else summary, False
    return data, Summary() if summary is None else summary, summary is None


def _assemble(target: Path, folder: Path, rows: Mapping[str, int], summary: Summary) -> None:
    digest = ContentHash()
    # Readers may then use the columns in place.
    with h5py.File(target, "w", alignment_threshold=1, alignment_interval=64) as file:
        for column, count in rows.items():
            _, shape, kind = find_layout(column)
            if column == "counts":
                _write_offsets(file, folder / column, count, digest)
                continue
            dataset = file.create_dataset(column, (count, *shape), dtype=kind, track_times=False)
            width = int(np.prod(shape))
            with open(folder / column.replace("/", "."), "rb") as source:
                for start in range(0, count, _BLOCK):
                    size = min(_BLOCK, count - start)
                    values = np.fromfile(source, dtype=kind, count=size * width).reshape(size, *shape)
                    dataset[start : start + size] = values
                    digest.update(column, values)
        file.attrs["format"] = FORMAT
        file.attrs["version"] = VERSION
        file.attrs["hash"] = digest.hexdigest()
        file.attrs["units"] = "eV, Angstrom, e, V/Angstrom"
        file.attrs["summary"] = json.dumps(summary.as_dict())
    write_seal(target)


def _write_offsets(file: h5py.File, source: Path, count: int, digest: ContentHash) -> None:
    dataset = file.create_dataset("offsets", (count + 1,), dtype="<i8", track_times=False)
    dataset[0], total = 0, 0
    with open(source, "rb") as stream_of_counts:
        for start in range(0, count, _BLOCK):
            counts = np.fromfile(stream_of_counts, dtype="<i8", count=min(_BLOCK, count - start))
            digest.update("counts", counts)
            ends = total + np.cumsum(counts)
            dataset[start + 1 : start + 1 + len(counts)] = ends
            total = int(ends[-1])
