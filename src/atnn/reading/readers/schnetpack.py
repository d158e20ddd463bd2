"""Databases of SchNetPack: those of ASE whose metadata state the unit of each property and of lengths.

Schuett, Hessmann, Gebauer, Lederer and Gastegger, J. Chem. Phys. 158, 144801 (2023), doi:10.1063/5.0138367.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from ase.db import connect

from atnn.errors import DataError
from atnn.quantities import QUANTITIES
from atnn.reading.raw import STATED_BY_KEY, Format, RawFrame, find_axis, list_keys
from atnn.units import CHARGE, NUMBER

_ALIASES = {"energy": ("energy_U0",), "dipole": ("dipole_moments",)}
# SchNetPack takes the names of ASE's units, in any case.
_NAMES = {
    "ev": "eV", "mev": "meV", "ha": "hartree", "hartree": "hartree", "ry": "rydberg", "rydberg": "rydberg",
    "kcal": "kcal", "kj": "kJ", "mol": "mol", "ang": "Angstrom", "angstrom": "Angstrom", "a": "Angstrom",
    "bohr": "bohr", "a0": "bohr", "nm": "nm", "debye": "debye", "d": "debye", "e": "e", "fs": "fs", "ps": "ps",
    "v": "V", "gpa": "GPa", "1": "1",
}  # fmt: skip


def read_frames(path: Path) -> Iterator[RawFrame]:
    """Rows of a database.

    Raises:
        DataError: The database is damaged.
    """
    index = 0
    try:
        for index, row in enumerate(connect(path, type="db", use_lock_file=False).select()):
            yield _convert_row(row, f"{path}, frame {index}")
    except DataError:
        raise
    except Exception as error:  # ase.db raises errors of any kind
        raise DataError(
            f"cannot be read ({type(error).__name__}: {error})",
            where=f"{path}, after frame {index}" if index else str(path),
            remedy="copy the file again",
        ) from error


def find_units(path: Path, keys: Mapping[str, str | None]) -> dict[str, str]:
    """Units of the quantities that the database carries, as its metadata state them.

    Args:
        path: The database.
        keys: Quantity -> property, where the user declares it.

    Raises:
        DataError: There are no such metadata, or a unit is none that is known.
    """
    metadata = _read_metadata(path)
    stated = metadata.get("_property_unit_dict")
    if not isinstance(stated, dict) or not isinstance(metadata.get("_distance_unit"), str):
        raise DataError(
            "its metadata state no units (_property_unit_dict, _distance_unit)",
            where=str(path),
            remedy="write the database with SchNetPack 2, or read it with format='ase' and declare units",
        )
    units = {"length": _translate(metadata["_distance_unit"], "_distance_unit", path)}
    for name in (*QUANTITIES, *STATED_BY_KEY):
        wanted = (keys[name],) if name in keys else list_keys(name, _ALIASES)
        key = next((key for key in wanted if key in stated), None)
        if key is not None and not _is_pure_number(name, stated[key]):
            units[name] = _translate(stated[key], key, path)
    return {"energy": "eV"} | units


def _is_pure_number(name: str, unit: object) -> bool:
    """Whether it has no unit, or is a charge whose unit is written as 1."""
    dimension = STATED_BY_KEY[name].dimension if name in STATED_BY_KEY else QUANTITIES[name].dimension
    return dimension == NUMBER or (dimension == CHARGE and unit in ("1", ""))


def _recognise(path: Path) -> bool:
    return path.suffix == ".db" and path.is_file() and "_property_unit_dict" in _read_metadata(path)


def _read_metadata(path: Path) -> dict[str, Any]:
    """The metadata of a database of ASE; none where it is no such database."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            row = database.execute("SELECT value FROM information WHERE name = 'metadata'").fetchone()
        found = json.loads(row[0]) if row else {}
    except (sqlite3.Error, ValueError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _translate(unit: object, key: str, path: Path) -> str:
    """A unit as this package writes it: kcal/mol/Ang becomes kcal/mol/Angstrom."""
    words = re.sub(r"\s*([*/^()]+)\s*", r"\1", str(unit).strip()).replace("**", "^").replace(" ", "*")
    for sign in "*/^()":
        words = words.replace(sign, f" {sign} ")
    translated = [_NAMES.get(word.lower(), word) for word in words.split()]
    if not isinstance(unit, str) or not translated:
        raise DataError(
            f"the unit of {key!r} is {unit!r}", where=str(path), remedy="write the database anew with its unit"
        )
    return "".join(translated)


def _convert_row(row: Any, where: str) -> RawFrame:
    values = {_rename(key, value): np.asarray(value) for key, value in row.data.items() if not key.startswith("_")}
    count = len(row.numbers)
    per_atom = {key for key, value in values.items() if _is_per_atom(key, value, count)}
    info = dict(row.key_value_pairs) | {key: _drop_axis(v) for key, v in values.items() if key not in per_atom}
    return RawFrame(
        numbers=np.asarray(row.numbers, dtype=np.int64),
        positions=np.array(row.positions, dtype=np.float64),
        cell=np.array(row.cell, dtype=np.float64).reshape(3, 3),
        pbc=np.array(row.pbc, dtype=bool),
        info=info,
        arrays={key: value for key, value in values.items() if key in per_atom},
        where=where,
    )


def _rename(key: str, value: Any) -> str:
    """The key of a property; in the database of QM9, dipole_moment is the length of the dipole."""
    return "dipole_norm" if key == "dipole_moment" and np.size(value) == 1 else key


def _is_per_atom(key: str, value: np.ndarray, count: int) -> bool:
    axis = find_axis(key, _ALIASES)
    return axis == "atom" if axis else value.shape[:1] == (count,)


def _drop_axis(value: np.ndarray) -> np.ndarray:
    """A tensor that has an axis of one structure before its own."""
    return value[0] if value.ndim == 3 and len(value) == 1 else value


SCHNETPACK = Format(
    name="schnetpack",
    recognises=_recognise,
    frames=read_frames,
    convention="databases of SchNetPack: units as their metadata state them",
    aliases=_ALIASES,
    find_units=find_units,
)
