"""Writing extended XYZ for other programs, with every digit."""

from __future__ import annotations

import gzip
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols

from atnn.data.dataset import Dataset, batches_of
from atnn.data.matrices import join_matrix
from atnn.files import write_atomically
from atnn.quantities import QUANTITIES, Axis, quantity
from atnn.stated import ADSORBATE, STATED
from atnn.structures import Labelled


def write_extxyz(path: str | os.PathLike, data: Labelled | Dataset) -> None:
    """Write labelled structures as extended XYZ (gzipped if the name ends in ``.gz``), readable by ASE.

    Units are eV, Angstrom and e. The stress has ASE's sign, and virial = -dE/d(strain). Labels that are masked out are
    left out.

    Args:
        path: The file; an existing one is replaced when the new one is complete.
        data: The structures.

    Raises:
        DataError: The disk is full or the folder cannot be written.
    """
    batches = [data] if isinstance(data, Labelled) else batches_of(data)

    def write(temporary: Path) -> None:
        opener = gzip.open if Path(path).suffix == ".gz" else open
        with opener(temporary, "wt", encoding="utf-8") as stream:
            _write_frames(stream, batches)

    write_atomically(path, write)


def _write_frames(stream: TextIOWrapper, batches: Iterable[Labelled]) -> None:
    for batch in batches:
        structures = batch.structures
        axes: set[Axis] = {"atom", *(quantity(name).axis for name in batch.labels)}
        ends = {axis: np.cumsum(structures.count_rows(axis).cpu().numpy()).tolist() for axis in axes}
        for index in range(len(structures)):
            rows = {axis: slice(end[index - 1] if index else 0, end[index]) for axis, end in ends.items()}
            stream.writelines(_format_frame(batch, index, rows))


def _format_frame(batch: Labelled, index: int, rows: Mapping[Axis, slice]) -> Iterator[str]:
    structures, atoms = batch.structures, rows["atom"]
    given = [name for name in batch.labels if bool(batch.masks[name][index])]
    columns = {"pos": _flatten_rows(structures.positions[atoms])}
    info: dict[str, Any] = {}
    for name in given:
        entry = quantity(name)
        value = batch.labels[name][rows[entry.axis]].cpu().double().numpy()
        if entry.axis == "atom":
            columns[name] = value.reshape(len(value), -1)
        else:
            info[name] = value.reshape(entry.shape) if entry.axis == "structure" else join_matrix(value, entry)
    info |= state_conventions(given, bool(structures.total_charge[index]))
    info |= {STATED[name].key: value[index].cpu().numpy() for name, value in structures.stated.items()}
    layout = ":".join(f"{name}:R:{values.shape[1]}" for name, values in columns.items())
    properties = f"Properties=species:S:1:{layout}"
    words = [properties]
    cell = structures.cell[index].double().numpy()
    if cell.any():
        words.insert(0, f"Lattice={_format_numbers(cell)}")
    words += [f"{name}={value if isinstance(value, str) else _format_numbers(value)}" for name, value in info.items()]
    words.append('pbc="' + " ".join("T" if p else "F" for p in structures.pbc[index].tolist()) + '"')
    table = [[*map(repr, row)] for row in np.concatenate(list(columns.values()), axis=1).tolist()]
    marks = {"move_mask": None if structures.fixed is None else ~structures.fixed, ADSORBATE: structures.adsorbate}
    given_marks = {name: mask[atoms].tolist() for name, mask in marks.items() if mask is not None}
    words[words.index(properties)] = properties + "".join(f":{name}:L:1" for name in given_marks)
    for mask in given_marks.values():
        for row, marked in zip(table, mask, strict=True):
            row.append("T" if marked else "F")
    numbers = structures.numbers[atoms].tolist()
    yield f"{len(numbers)}\n{' '.join(words)}\n"
    for number, row in zip(numbers, table, strict=True):
        yield f"{chemical_symbols[number]} {' '.join(row)}\n"


def state_conventions(names: Collection[str], charged: bool) -> dict[str, str]:
    """Entries of a frame that say what readers must not assume: the origin of dipoles of ions, and some units.

    Args:
        names: Quantities of the frame; others are left alone.
        charged: Whether the structure has a total charge.
    """
    known = [QUANTITIES[name] for name in names if name in QUANTITIES]
    origin = {"dipole_origin": "coordinates"} if charged and "dipole" in names else {}
    return origin | {entry.unit_key: entry.unit for entry in known if entry.declared}


def _flatten_rows(values: Any) -> np.ndarray:
    return values.detach().cpu().double().numpy().reshape(len(values), -1)


def _format_numbers(value: np.ndarray) -> str:
    numbers = [repr(number) for number in np.asarray(value).reshape(-1).tolist()]
    return numbers[0] if len(numbers) == 1 else '"' + " ".join(numbers) + '"'
