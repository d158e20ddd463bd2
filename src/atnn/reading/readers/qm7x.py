"""QM7-X as published: HDF5 with a group for each molecule, in it one for each conformation, in it a dataset a property.

Hoja, Medrano Sandonas, Ernst, Vazquez-Mayagoitia, DiStasio and Tkatchenko, Sci. Data 8, 43 (2021),
doi:10.1038/s41597-021-00812-2. Conformations are called ``Geom-m1-i1-c1-opt`` where they are in equilibrium and
``Geom-m1-i1-c1-d1`` and so on where they are displaced. All molecules are neutral singlets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from atnn.errors import DataError
from atnn.reading.compressed import XzFile
from atnn.reading.raw import Format, RawFrame, find_axis

_ALIASES = {
    "energy": ("ePBE0+MBD",),
    "forces": ("totFOR",),
    "dipole": ("vDIP",),
    "polarizability": ("mTPOL",),
    "charges": ("hCHG",),
}
LARGEST = 1 << 16  # numbers in one dataset; molecules have up to 23 atoms
POSITIONS, NUMBERS = "atXYZ", "atNUM"
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_FAILURES = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError)  # of h5py, on damaged files


def read_frames(path: Path) -> Iterator[RawFrame]:
    """Conformations of all molecules; molecules, and conformations of each, in the order of their numbers.

    Raises:
        DataError: The file is compressed or damaged, or a conformation lacks its atoms.
    """
    if path.suffix == ".xz":
        raise DataError(
            "is compressed, and HDF5 is not read as a stream",
            where=str(path),
            remedy=f"decompress it: xz --decompress --keep --stdout {path.name} > {path.stem}.hdf5",
        )
    try:
        with h5py.File(path, "r") as file:
            for molecule in sorted(file, key=_order):
                group = _open(file, molecule, path)
                for conformation in sorted(group, key=_order):
                    where = f"{path}, {molecule}/{conformation}"
                    yield _read_frame(_open(group, conformation, where), where, conformation)
    except _FAILURES as error:
        words = str(error).splitlines()
        reason = words[0] if words else type(error).__name__
        raise DataError(f"cannot be read ({reason})", where=str(path), remedy="copy the file again") from error


def recognise(path: Path) -> bool:
    """Whether a file is HDF5 whose first molecule has the layout of QM7-X, or such a file compressed as xz."""
    if not path.is_file():
        return False
    try:
        if path.suffix == ".xz":
            with open(path, "rb") as source:
                return XzFile(source).read(len(_SIGNATURE)) == _SIGNATURE
        if not h5py.is_hdf5(path):
            return False
        with h5py.File(path, "r") as file:
            group: Any = file
            for _ in range(2):
                group = _open(group, next(iter(group)), path)
            return isinstance(group, h5py.Group) and {POSITIONS, NUMBERS} <= set(group)
    except Exception:  # whatever a damaged file raises, it is none of ours
        return False


def _order(name: str) -> list[tuple[int, str]]:
    """Numbers within names by their value, equilibrium before displacements."""
    return [(int(word), "") if word.isdigit() else (-1, word) for word in re.split(r"(\d+)", name.replace("opt", "d0"))]


def _open(group: h5py.Group, name: str, where: object) -> Any:
    """A member of a group; a link to another place may lead to any file of the user."""
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise DataError(f"{name} is a link to another place", where=str(where), remedy="this is no file of QM7-X")
    return group[name]


def _read_frame(group: h5py.Group, where: str, name: str) -> RawFrame:
    values = {key: _read_values(_open(group, key, where), f"{where}/{key}") for key in group}
    for key in (POSITIONS, NUMBERS):
        if key not in values:
            raise DataError(f"there is no {key}", where=where, remedy="this is no file of QM7-X, or it is damaged")
    numbers, positions = np.ravel(values.pop(NUMBERS)), values.pop(POSITIONS)
    if positions.shape != (len(numbers), 3) or (numbers != np.rint(numbers)).any():
        raise DataError(
            f"{POSITIONS} has the shape {positions.shape} and {NUMBERS} {numbers.shape}, or no whole numbers",
            where=where,
            remedy="copy the file again",
        )
    per_atom = {key for key, value in values.items() if _is_per_atom(key, value, len(numbers))}
    return RawFrame(
        numbers=numbers.astype(np.int64),
        positions=positions.astype(np.float64),
        cell=np.zeros((3, 3)),
        pbc=np.zeros(3, dtype=bool),
        info={key: value for key, value in values.items() if key not in per_atom} | {"conformation": name},
        arrays={key: value for key, value in values.items() if key in per_atom},
        where=where,
    )


def _is_per_atom(key: str, value: np.ndarray, count: int) -> bool:
    axis = find_axis(key, _ALIASES)
    return axis == "atom" if axis else value.shape[:1] == (count,)


def _read_values(item: Any, where: str) -> np.ndarray:
    if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "fiu" or item.external or item.is_virtual:
        raise DataError("holds no numbers", where=where, remedy="this is no file of QM7-X")
    if item.size > LARGEST:
        raise DataError(f"has the shape {item.shape}, too large for a molecule", where=where, remedy="copy it again")
    return np.asarray(item[()])


QM7X = Format(
    name="qm7x",
    recognises=recognise,
    frames=read_frames,
    convention="QM7-X as published: eV, Angstrom, e; energies and forces of PBE0+MBD, Hirshfeld charges, "
    "polarizabilities in bohr^3. Stereoisomers that DupMols.dat lists are in the files, too",
    units={"energy": "eV", "length": "Angstrom", "polarizability": "bohr^3"},
    aliases=_ALIASES,
)
