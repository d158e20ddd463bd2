"""Numpy archives as MD17 (arrays R, z, E, F) and rMD17 (coords, nuclear_charges, energies, forces) use them.

Other sets call the atomic numbers Z.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from atnn.errors import DataError
from atnn.reading.arrays import load_npz
from atnn.reading.raw import Format, RawFrame, find_axis, list_every_key

_POSITIONS = ("R", "coords", "coordinates", "positions")
_NUMBERS = ("z", "Z", "nuclear_charges", "atomic_numbers", "numbers")
_CELLS = ("cell", "lattice")
_ALIASES = {"energy": ("energies",), "dipole": ("dipoles",)}


def read_frames(path: Path) -> Iterator[RawFrame]:
    """Frames of an archive.

    Atomic numbers are one row for all frames, or one row per frame, padded with zeros.

    Raises:
        DataError: The archive is damaged, lacks positions or atomic numbers, or holds arrays that do not fit them.
    """
    known = list_every_key(_ALIASES) | {*_POSITIONS, *_NUMBERS, *_CELLS, "pbc"}
    arrays = {}
    for name, array in load_npz(path).items():
        if array.dtype.kind in "fiu" or (name == "pbc" and array.dtype.kind == "b"):
            arrays[name] = array
        elif name in known:
            raise DataError(
                f"the array {name!r} of type {array.dtype} holds no real numbers",
                where=str(path),
                remedy="write numbers, or rename the array if it is something else",
            )
    positions = _take_array(arrays, _POSITIONS, path, "positions")
    numbers = _take_numbers(arrays, positions, path)
    count, size = positions.shape[:2]
    cells = next((arrays.pop(name) for name in _CELLS if name in arrays), None)
    pbc = arrays.pop("pbc", np.full(3, cells is not None))
    if cells is not None and cells.shape not in ((3, 3), (count, 3, 3)):
        raise _unfit("cells", cells, count, path, "cells are [3, 3] or [frames, 3, 3]")
    if pbc.shape not in ((), (3,), (count, 3)):
        raise _unfit("pbc", pbc, count, path, "pbc is [3] or [frames, 3]")
    for name, array in arrays.items():
        whole = find_axis(name, _ALIASES) != "atom" or array.size % (count * size) == 0
        if name in known and (array.shape[:1] != (count,) or not whole):
            raise _unfit(
                name, array, count, path, "give one value a frame, or rename the array if it is something else"
            )
        if find_axis(name, _ALIASES) == "atom" and array.shape[:2] != (count, size):
            arrays[name] = array.reshape(count, size, -1)
    atomic = {name for name, array in arrays.items() if _is_per_atom(name, array, count, size)}
    for index in range(count):
        own = numbers if numbers.ndim == 1 else numbers[index]
        real = np.flatnonzero(own > 0)
        info, per_atom = {}, {}
        for name, array in arrays.items():
            if name in atomic:
                per_atom[name] = array[index][real]
            elif array.ndim >= 1 and len(array) == count:
                info[name] = array[index]
        cell = np.zeros((3, 3)) if cells is None else np.asarray(cells if cells.ndim == 2 else cells[index])
        periodic = np.broadcast_to(pbc if pbc.ndim < 2 else pbc[index], (3,)).astype(bool)
        yield RawFrame(
            own[real],
            positions[index][real].astype(np.float64),
            cell.astype(np.float64),
            periodic,
            info,
            per_atom,
            f"{path}, frame {index}",
        )


def _take_numbers(arrays: dict[str, np.ndarray], positions: np.ndarray, path: Path) -> np.ndarray:
    numbers = _take_array(arrays, _NUMBERS, path, "atomic numbers")
    fitting = positions.ndim == 3 and numbers.shape in (positions.shape[1:2], positions.shape[:2])
    if not fitting or positions.shape[2] != 3:
        raise DataError(
            f"positions of shape {positions.shape} and atomic numbers of shape {numbers.shape} do not fit",
            where=str(path),
            remedy="positions are [frames, atoms, 3]",
        )
    whole = np.isfinite(numbers) & (numbers == np.rint(numbers)) & (numbers >= 0) & (numbers < 1000)
    if not whole.all():
        raise DataError(
            f"{numbers[~whole][0]} is no atomic number", where=str(path), remedy="write whole numbers, 0 for no atom"
        )
    return numbers.astype(np.int64)


def _unfit(name: str, array: np.ndarray, count: int, path: Path, remedy: str) -> DataError:
    return DataError(
        f"the array {name!r} of shape {array.shape} does not fit {count} frames", where=str(path), remedy=remedy
    )


def _is_per_atom(name: str, array: np.ndarray, frames: int, atoms: int) -> bool:
    return array.shape[:2] == (frames, atoms) and find_axis(name, _ALIASES) != "structure"


def _take_array(arrays: dict[str, np.ndarray], names: tuple[str, ...], path: Path, what: str) -> np.ndarray:
    for name in names:
        if name in arrays:
            return arrays.pop(name)
    raise DataError(
        f"no array of {what}", where=str(path), remedy=f"name it {' or '.join(names)}; there are: {', '.join(arrays)}"
    )


NPZ = Format(
    name="npz",
    recognises=lambda path: path.suffix == ".npz",
    frames=read_frames,
    convention="npz: units as declared",
    aliases=_ALIASES,
)
