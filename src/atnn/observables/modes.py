"""Writing normal modes for other programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from ase.data import chemical_symbols

from atnn.errors import DataError
from atnn.files import write_atomically
from atnn.observables.harmonic import NormalModes
from atnn.observables.records import refuse_other, write_record

MODES = "atnn-modes"
UNKNOWN: Mapping[str, str] = MappingProxyType({})
ENDINGS = (".json", ".csv", ".xyz", ".extxyz")
UNITS = {
    "frequencies": "cm^-1",
    "intensities": "km/mol",
    "activities": "Angstrom^4/amu",
    "depolarizations": "1",
    "displacements": "amu^-1/2",
    "positions": "Angstrom",
    "masses": "amu",
    "energy": "eV",
    "largest_force": "eV/Angstrom",
}
# What is a number for each mode -> the word for one of them.
LISTED = {
    "frequencies": "frequency",
    "intensities": "intensity",
    "activities": "activity",
    "depolarizations": "depolarization",
}


def list_modes(modes: NormalModes) -> dict[str, list[float | None] | None]:
    """Lists of the numbers of each mode, None where the potential does not give what they need."""
    listed: dict[str, list[float | None] | None] = {}
    for name in LISTED:
        values = getattr(modes, name)
        listed[name] = None if values is None else [None if np.isnan(v) else float(v) for v in values]
    return listed


def check_modes_file(path: str | Path, origin: Mapping[str, str] = UNKNOWN) -> None:
    """Check that normal modes can be written to a file, before the work is done.

    Args:
        path: The file.
        origin: Name -> hash of what the modes are made of.

    Raises:
        DataError: The name has no ending of a format, or the file is JSON of another origin.
    """
    ending = Path(path).suffix.lower()
    if ending not in ENDINGS:
        raise DataError(
            f"modes are not written as {ending or 'a file without an ending'}",
            where=str(path),
            remedy=f"end the name in one of {', '.join(ENDINGS)}",
        )
    if ending == ".json":
        refuse_other(Path(path), MODES, origin)


def write_modes(path: str | Path, modes: NormalModes, origin: Mapping[str, str] = UNKNOWN) -> Path:
    """Write normal modes, by the ending of the name as JSON, as a table in CSV, or as extended XYZ.

    JSON holds ``units``, ``frequencies`` (imaginary ones negative), ``intensities``, ``activities`` and
    ``depolarizations`` (null where the potential does not give what they need), the Cartesian ``displacements``
    [modes][atoms][3] of a mass-weighted amplitude of one, and ``symbols``, ``positions`` and ``masses`` of the atoms.
    CSV holds the numbers of each mode in a row. Extended XYZ holds a frame for each mode, with the displacements in the
    column ``displacement``, which OVITO and Jmol draw as arrows.

    Args:
        path: The file. JSON with normal modes of another origin is not replaced.
        modes: The normal modes.
        origin: Name -> hash of what they were made of; JSON tells it.

    Raises:
        DataError: The name ends in something else, or the file cannot be written; an existing one is unchanged.
    """
    check_modes_file(path, origin)
    ending = Path(path).suffix.lower()
    if ending == ".json":
        return write_record(Path(path), MODES, origin, _content(modes))
    return write_atomically(path, _csv(modes) if ending == ".csv" else _xyz(modes))


def _content(modes: NormalModes) -> dict[str, Any]:
    return {
        "units": UNITS,
        **list_modes(modes),
        "displacements": modes.displacements.tolist(),
        "symbols": [chemical_symbols[number] for number in modes.numbers],
        "positions": modes.positions.tolist(),
        "masses": modes.masses.tolist(),
        "energy": modes.energy,
        "largest_force": modes.largest_force,
    }


def _csv(modes: NormalModes) -> str:
    columns = {name: values for name, values in list_modes(modes).items() if values is not None}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["mode", *(f"{name} [{UNITS[name]}]" for name in columns)])
    rows: list[Sequence[Any]] = list(zip(*columns.values(), strict=True))
    writer.writerows([k + 1, *("" if v is None else v for v in row)] for k, row in enumerate(rows))
    return text.getvalue()


def _xyz(modes: NormalModes) -> str:
    symbols = [chemical_symbols[number] for number in modes.numbers]
    columns = "Properties=species:S:1:pos:R:3:displacement:R:3:masses:R:1"
    lines = []
    for k, moves in enumerate(modes.displacements):
        numbers = {name: getattr(modes, name) for name in LISTED}
        given = {name: v[k] for name, v in numbers.items() if v is not None and not np.isnan(v[k])}
        words = " ".join(f"{LISTED[name]}={float(value)!r}" for name, value in given.items())
        lines += [str(len(symbols)), f'{columns} mode={k + 1} {words} pbc="F F F"']
        table = np.concatenate([modes.positions, moves, modes.masses[:, None]], axis=1).tolist()
        lines += [f"{s} {' '.join(map(repr, row))}" for s, row in zip(symbols, table, strict=True)]
    return "\n".join(lines) + "\n"
