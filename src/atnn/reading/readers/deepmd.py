"""DeePMD-kit's folders of npy files: ``type.raw``, ``type_map.raw``, and ``set.*/coord.npy`` with labels beside it.

Layout and units: https://docs.deepmodeling.com/projects/deepmd/en/stable/data/system.html
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from atnn.errors import DataError
from atnn.reading.arrays import load_npy
from atnn.reading.raw import ASE_UNITS, Format, RawFrame, find_axis, find_numbers
from atnn.reading.text import open_text, parse_count

_GEOMETRY = ("coord", "box", "real_atom_types")
_ALIASES = {"atomic_energies": ("atom_ener",)}


def read_frames(path: Path) -> Iterator[RawFrame]:
    """Frames of one system folder, or of all systems below a folder.

    Raises:
        DataError: Element names are missing, or arrays do not fit together.
    """
    for system in sorted(file.parent for file in path.rglob("type.raw")):
        types = _read_types(system / "type.raw")
        names = system / "type_map.raw"
        if not names.exists():
            raise DataError(
                "no type_map.raw, so that the elements are unknown",
                where=str(system),
                remedy="write the element symbols of types 0, 1, ... into type_map.raw, one a line",
            )
        elements = find_numbers(_read_words(names), str(names))
        periodic = not (system / "nopbc").exists()
        sets = sorted(folder for folder in system.glob("set.*") if (folder / "coord.npy").exists())
        if not sets:
            raise DataError("no set.*/coord.npy", where=str(system), remedy="check the folder")
        for folder in sets:
            yield from _read_set(folder, types, elements, periodic)


def _read_set(folder: Path, types: np.ndarray, elements: np.ndarray, periodic: bool) -> Iterator[RawFrame]:
    arrays = {file.stem: load_npy(file) for file in sorted(folder.glob("*.npy"))}
    count = len(np.atleast_1d(arrays["coord"]))
    for name, array in arrays.items():
        if array.ndim == 0:
            raise DataError(f"{name}.npy holds one number", where=str(folder), remedy="give one row a frame")
        if len(array) != count:
            raise DataError(
                f"{name}.npy has {len(array)} frames, coord.npy {count}", where=str(folder), remedy="write them anew"
            )
    if periodic and "box" in arrays and arrays["box"].size != 9 * count:
        raise DataError("box.npy does not have nine numbers a frame", where=str(folder), remedy="write it anew")
    if periodic and "box" not in arrays:
        raise DataError("no box.npy", where=str(folder), remedy="add it, or an empty file nopbc beside type.raw")
    atomic = {name for name in arrays if find_axis(name, _ALIASES) == "atom"}
    for index in range(count):
        where = f"{folder}, frame {index}"
        given = np.ravel(arrays["real_atom_types"][index]) if "real_atom_types" in arrays else types
        frame_types = given.astype(np.int64)
        real = np.flatnonzero(frame_types >= 0)
        fitting = len(frame_types) > 0 and arrays["coord"][index].size == 3 * len(frame_types)
        if not fitting or (frame_types != given).any() or frame_types.max() >= len(elements):
            raise DataError(
                f"coord.npy, {len(frame_types)} atom types and {len(elements)} elements do not fit together",
                where=where,
                remedy="check type.raw and type_map.raw",
            )
        info, per_atom = {}, {}
        for name, array in arrays.items():
            value = np.array(array[index], dtype=np.float64)
            if name in atomic:
                if value.size % len(frame_types):
                    raise DataError(
                        f"{name}.npy has {value.size} numbers for {len(frame_types)} atoms",
                        where=where,
                        remedy="write it anew",
                    )
                per_atom[name] = value.reshape(len(frame_types), -1)[real]
            elif name not in _GEOMETRY:
                info[name] = value
        yield RawFrame(
            numbers=elements[frame_types[real]],
            positions=np.array(arrays["coord"][index], dtype=np.float64).reshape(-1, 3)[real],
            cell=np.array(arrays["box"][index], dtype=np.float64).reshape(3, 3) if periodic else np.zeros((3, 3)),
            pbc=np.full(3, periodic),
            info=info,
            arrays=per_atom,
            where=where,
        )


def _read_words(file: Path) -> list[str]:
    with open_text(file) as stream:
        return stream.read().split()


def _read_types(file: Path) -> np.ndarray:
    try:
        types = np.array([parse_count(word) for word in _read_words(file)], dtype=np.int64)
    except ValueError as error:
        raise DataError(str(error), where=str(file), remedy="write the type of each atom, 0, 1, ...") from None
    if len(types) == 0:
        raise DataError("holds no types", where=str(file), remedy="write the type of each atom, 0, 1, ...")
    return types


DEEPMD = Format(
    name="deepmd",
    recognises=lambda path: path.is_dir() and any(path.rglob("type.raw")),
    frames=read_frames,
    convention="DeePMD-kit npy: eV, Angstrom; virial = -dE/d(strain) = -volume * stress",
    units=ASE_UNITS,
    aliases=_ALIASES,
)
