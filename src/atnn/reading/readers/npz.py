"""Numpy archives as MD17 (arrays R, z, E, F) and rMD17 (coords, nuclear_charges, energies, forces) use them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from atnn.errors import DataError
from atnn.reading.arrays import load_npz
from atnn.reading.raw import Format, RawFrame, find_axis

_POSITIONS = ("R", "coords", "coordinates", "positions")
_NUMBERS = ("z", "nuclear_charges", "atomic_numbers", "numbers")
_CELLS = ("cell", "lattice")
_ALIASES = {"energy": ("energies",), "dipole": ("dipoles",)}


def read_frames(path: Path) -> Iterator[RawFrame]:
    """Frames of an archive.

    Atomic numbers are one row for all frames, or one row per frame, padded with zeros.

    Raises:
        DataError: The archive is damaged, or lacks positions or atomic numbers.
    """
    arrays = {name: array for name, array in load_npz(path).items() if _is_usable(name, array, path)}
    positions = _take_array(arrays, _POSITIONS, path, "positions")
    numbers = _take_array(arrays, _NUMBERS, path, "atomic numbers")
    if (
        positions.ndim != 3
        or numbers.shape not in (positions.shape[1:2], positions.shape[:2])
        or positions.shape[2] != 3
    ):
        raise DataError(
            f"positions of shape {positions.shape} and atomic numbers of shape {numbers.shape} do not fit",
            where=str(path),
            remedy="positions are [frames, atoms, 3], atomic numbers [atoms] or [frames, atoms]",
        )
    numbers = _as_integers(numbers, path)
    count, size = positions.shape[:2]
    cells = next((arrays.pop(name) for name in _CELLS if name in arrays), None)
    pbc = arrays.pop("pbc", np.full(3, cells is not None))
    _check_shape(cells, ((3, 3), (count, 3, 3)), "cell", path)
    _check_shape(pbc, ((), (3,), (count, 3)), "pbc", path)
    _refuse_lost(arrays, count, size, path)
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


def _is_usable(name: str, array: np.ndarray, path: Path) -> bool:
    """Whether an array holds numbers. Strings and the like are no labels, unless their name says so."""
    if array.dtype.kind in "fiub" and (array.dtype.kind != "b" or name == "pbc"):
        return True
    if name in (*_POSITIONS, *_NUMBERS, *_CELLS, "pbc") or find_axis(name, _ALIASES) is not None:
        raise DataError(f"{name} has the type {array.dtype}", where=str(path), remedy="store numbers under this name")
    return False


def _as_integers(numbers: np.ndarray, path: Path) -> np.ndarray:
    if not ((numbers >= 0) & (numbers < 1000) & (numbers == np.rint(numbers))).all():
        raise DataError("atomic numbers are no whole numbers", where=str(path), remedy="repair the array")
    return numbers.astype(np.int64)


def _check_shape(array: np.ndarray | None, shapes: tuple[tuple[int, ...], ...], what: str, path: Path) -> None:
    if array is not None and array.shape not in shapes:
        raise DataError(
            f"{what} has the shape {array.shape}", where=str(path), remedy="give " + " or ".join(map(str, shapes))
        )


def _refuse_lost(arrays: dict[str, np.ndarray], count: int, size: int, path: Path) -> None:
    """Refuse labels that fit no frame, instead of dropping them."""
    for name, array in arrays.items():
        axis = find_axis(name, _ALIASES)
        rows = (count, size) if axis == "atom" else (count,)
        if axis is not None and array.shape[: len(rows)] != rows:
            raise DataError(
                f"{name} has the shape {array.shape}, but there are {count} frames of {size} atoms",
                where=str(path),
                remedy=f"give an array of the shape {rows} and so on, or another name to what is no label",
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
