"""Conversion of ASE ``Atoms``, with the checks that every structure passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.constraints import FixAtoms
from ase.data import chemical_symbols
from torch import Tensor

from atnn.errors import DataError
from atnn.stated import ADSORBATE, STATED, Stated
from atnn.units import unit_of

MINIMAL_VOLUME = 1e-3  # Angstrom^3; a smaller periodic cell is an input error


def convert_atoms(frame: Atoms, index: int, dtype: torch.dtype) -> dict[str, Any]:
    """Convert one ``Atoms`` to the fields of a batch of one structure.

    Args:
        frame: The structure.
        index: Its number, for messages.
        dtype: Floating-point type.

    Raises:
        DataError: It cannot be converted, see :meth:`atnn.structures.Structures.from_ase`.
    """
    if not isinstance(frame, Atoms):
        raise DataError(f"{frame!r:.60} is no Atoms of ASE", where=f"structure {index}", remedy="give ase.Atoms")
    unknown = np.flatnonzero((frame.numbers < 1) | (frame.numbers >= len(chemical_symbols)))
    if len(unknown):
        raise DataError(
            f"atom {unknown[0]} has the atomic number {frame.numbers[unknown[0]]}",
            where=f"structure {index}",
            remedy="state its element",
        )
    where = f"structure {index} ({frame.get_chemical_formula()})"
    if len(frame) == 0:
        raise DataError("structure without atoms", where=where, remedy="remove the empty frame")
    cell = np.asarray(frame.cell[:], dtype=float)
    if not (np.isfinite(frame.positions).all() and np.isfinite(cell).all()):
        raise DataError("positions or cell are NaN or infinite", where=where, remedy="remove or repair the frame")
    _check_lattice(cell[frame.pbc], where)
    return dict(
        positions=torch.as_tensor(frame.positions.copy(), dtype=dtype),
        numbers=torch.as_tensor(frame.numbers.copy(), dtype=torch.int64),
        cell=torch.as_tensor(cell.copy(), dtype=dtype)[None],
        pbc=torch.as_tensor(frame.pbc.copy(), dtype=torch.bool)[None],
        batch=torch.zeros(len(frame), dtype=torch.int64),
        fixed=_find_fixed(frame, where),
        adsorbate=parse_mask(frame.arrays.get(ADSORBATE), ADSORBATE, where),
        **{name: _parse_stated(frame.info[entry.key], entry, where).to(torch.int64 if entry.integer else dtype)[None]
           for name, entry in STATED.items() if frame.info.get(entry.key) is not None},
    )  # fmt: skip


def _check_lattice(periodic: np.ndarray, where: str) -> None:
    """Refuse periodic lattice vectors [1 to 3, 3] that span no length, area or volume."""
    if len(periodic) == 3 and (volume := abs(np.linalg.det(periodic))) < MINIMAL_VOLUME:
        raise DataError(
            f"periodic structure whose cell has the volume {volume:.2g} Angstrom^3",
            where=where,
            remedy="set the lattice vectors, or pbc to False",
        )
    shortest = MINIMAL_VOLUME ** (1 / 3)
    if (np.linalg.norm(periodic, axis=1) < shortest).any():
        raise DataError(
            "the structure is periodic along a lattice vector of zero length",
            where=where,
            remedy="set the lattice vector, or its pbc to False",
        )
    if len(periodic) == 2 and np.linalg.norm(np.cross(*periodic)) < shortest**2:
        raise DataError("the two periodic lattice vectors are parallel", where=where, remedy="set the lattice vectors")


def _find_fixed(frame: Atoms, where: str) -> Tensor | None:
    others = sorted({type(each).__name__ for each in frame.constraints if not isinstance(each, FixAtoms)})
    if others:
        raise DataError(
            f"the constraints {', '.join(others)} would be ignored",
            where=where,
            remedy="remove them (atoms.set_constraint()) or fix whole atoms by FixAtoms",
        )
    if not frame.constraints:
        return None
    fixed = torch.zeros(len(frame), dtype=torch.bool)
    for each in frame.constraints:
        fixed[torch.as_tensor(each.index)] = True
    return fixed


def parse_mask(value: np.ndarray | None, key: str, where: str) -> Tensor | None:
    """Truth values of the atoms; None for None.

    Raises:
        DataError: They are no truth values.
    """
    if value is None:
        return None
    if (
        value.dtype.kind not in "b" and not (value.dtype.kind in "iu" and np.isin(value, (0, 1)).all())
    ) or value.ndim > 1:
        raise DataError(
            f"{key} holds no truth values, one for each atom", where=where, remedy=f"write the column {key}:L:1"
        )
    return torch.as_tensor(value.astype(bool))


def _parse_stated(value: object, entry: Stated, where: str) -> Tensor:
    try:
        number = np.asarray(value)
        number = number.astype(float) if number.dtype.kind in "iuf" else np.full(entry.shape, np.nan)
    except (TypeError, ValueError, OverflowError):
        number = np.full(entry.shape, np.nan)
    if not np.isfinite(number).all() or (entry.integer and ((abs(number) > 1e6) | (number % 1 != 0)).any()):
        raise DataError(
            f"{entry.key} = {value!r:.60} is no {'integer' if entry.integer else 'finite number'}",
            where=where,
            remedy=f"set {entry.key}, or remove it from info",
        )
    if number.shape != entry.shape:
        raise DataError(
            f"{entry.key} has the shape {number.shape}, not {entry.shape}",
            where=where,
            remedy=f"give a value of shape {entry.shape} [{unit_of(entry.dimension)}]",
        )
    return torch.as_tensor(number)
