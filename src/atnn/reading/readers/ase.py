"""Everything else that ASE reads: trajectories, databases and outputs of electronic-structure codes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms
from ase.io import iread

from atnn.errors import AtnnWarning, DataError
from atnn.reading.raw import ASE_UNITS, MOVE_MASK, Format, RawFrame, find_axis


def read_frames(path: Path) -> Iterator[RawFrame]:
    """Frames of a file that ASE understands. The results of its calculators count as labels.

    Raises:
        DataError: ASE cannot read the file, or an atom has no element.
    """
    index = 0
    try:
        for index, atoms in enumerate(iread(str(path), index=":")):
            yield _convert_frame(atoms, f"{path}, frame {index}")
    except DataError:
        raise
    except Exception as error:  # ASE's readers raise errors of any kind
        raise DataError(
            f"ASE cannot read it ({type(error).__name__}: {error})",
            where=f"{path}, after frame {index}" if index else str(path),
            remedy="check the file, or name the format with format=",
        ) from error


def _convert_frame(atoms: Atoms, where: str) -> RawFrame:
    if len(atoms) == 0:
        raise DataError("frame without atoms", where=where, remedy="remove the frame")
    if (atoms.numbers < 1).any():
        raise DataError(
            f"atom {int(np.argmin(atoms.numbers))} has no element", where=where, remedy="replace the symbol X"
        )
    arrays = {key: value for key, value in atoms.arrays.items() if key not in ("numbers", "positions")}
    info = dict(atoms.info)
    for key, value in (atoms.calc.results if atoms.calc is not None else {}).items():
        if np.ndim(value) and len(value) == len(atoms) and find_axis(key, {}) != "structure":
            arrays[key] = np.asarray(value)
        elif value is not None:
            info[key] = value
    if atoms.constraints:
        arrays[MOVE_MASK] = ~_find_fixed(atoms, where)
    return RawFrame(
        numbers=atoms.numbers.astype(np.int64),
        positions=atoms.positions.copy(),
        cell=np.array(atoms.cell[:]),
        pbc=atoms.pbc.copy(),
        info=info,
        arrays=arrays,
        where=where,
    )


def _find_fixed(atoms: Atoms, where: str) -> np.ndarray:
    """Fixed atoms; other constraints mean nothing for labels, and are warned of because dynamics will not know them."""
    fixed = np.zeros(len(atoms), dtype=bool)
    for constraint in atoms.constraints:
        if isinstance(constraint, FixAtoms):
            fixed[constraint.index] = True
        else:
            name = type(constraint).__name__
            warnings.warn(f"{where}: the constraint {name} is not read; only FixAtoms is", AtnnWarning, stacklevel=2)
    return fixed


ASE = Format(
    name="ase",
    recognises=lambda path: path.is_file(),
    frames=read_frames,
    convention="read through ASE: eV, Angstrom, e; stress with ASE's sign (tension positive)",
    units=ASE_UNITS,
)
