"""The ``configuration`` text of the EANN, REANN and FIREANN codes.

A frame of REANN (https://github.com/zhangylch/REANN) has a comment, three lattice lines, ``pbc 1 1 0``, one line per
atom with element, mass, position and force, and ``abprop:`` with the property that was fitted. One number there is an
energy. A frame of FIREANN (https://github.com/zhangylch/FIREANN) has a line ``Energy='..' Dipole='..' POL='..'`` after
``pbc``, and ``External_field:`` at the end. Its labels are derivatives of the energy by the field, Dipole = dE/dF and
POL = d2E/dF2, which are the opposite of a dipole and of a polarizability.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from atnn.errors import DataError
from atnn.reading.raw import Format, RawFrame, find_numbers
from atnn.reading.text import open_text, parse_floats

_PROPERTY = re.compile(r"(?<!\w)(\w+)='([^']*)'")
_ENDS = ("abprop:", "External_field:")


def read_frames(path: Path, fractional: bool = False, dipole_sign: int = -1) -> Iterator[RawFrame]:
    """Frames of a configuration file.

    Args:
        path: The file.
        fractional: Positions are in units of the lattice vectors.
        dipole_sign: Sign that turns FIREANN's ``Dipole`` into the dipole. The field gets the opposite sign, so that
            dipole = -dE/dF holds in either case.

    Raises:
        DataError: The file is truncated, a line cannot be understood, or positions look fractional and are not
            declared to be.
    """
    with open_text(path) as stream:
        index = 0
        while comment := stream.readline():
            if comment.strip():
                where = f"{path}, frame {index}"
                try:
                    yield _read_frame(stream, where, fractional, dipole_sign)
                except (ValueError, IndexError) as error:
                    raise DataError(
                        f"a line cannot be read ({error})",
                        where=where,
                        remedy="see https://github.com/zhangylch/REANN, manual, for the layout",
                    ) from None
                index += 1


def _read_frame(stream: TextIOWrapper, where: str, fractional: bool, dipole_sign: int) -> RawFrame:
    cell = parse_floats([line.split()[:3] for line in islice(stream, 3)])
    words = stream.readline().split()
    if cell.shape != (3, 3) or len(words) < 4 or words[0] != "pbc":
        raise DataError("expected three lattice vectors and 'pbc 1 1 1'", where=where, remedy="repair the frame")
    pbc = parse_floats(words[1:4]) != 0
    info: dict[str, Any] = {}
    atoms: list[list[str]] = []
    while not (line := stream.readline()).startswith(_ENDS):
        if not line:
            raise DataError("the file ends inside a frame", where=where, remedy="copy the file again")
        if "='" in line:
            _add_properties(line, info, where)
        elif line.strip():
            atoms.append(line.split())
    if not atoms:
        raise DataError("frame without atoms", where=where, remedy="remove the frame")
    _read_last_line(line.split(), info, dipole_sign)
    positions = parse_floats([words[2:5] for words in atoms])
    if fractional:
        positions = positions @ cell
    elif pbc.any() and len(atoms) > 3 and np.abs(positions).max() < 1.5 and np.abs(cell).max() > 3:
        raise DataError(
            "all positions lie within 1.5 units of the origin: they look fractional",
            where=where,
            remedy="read with format='reann-fractional'",
        )
    arrays = {"mass": parse_floats([words[1] for words in atoms])}
    if all(len(words) >= 8 for words in atoms):
        arrays["forces"] = parse_floats([words[5:8] for words in atoms])
    # The lattice of a molecule is a placeholder.
    cell = cell if pbc.any() else np.zeros((3, 3))
    return RawFrame(find_numbers([words[0] for words in atoms], where), positions, cell, pbc, info, arrays, where)


def _add_properties(line: str, info: dict[str, Any], where: str) -> None:
    for key, value in _PROPERTY.findall(line):
        if key in info:
            raise DataError(f"{key!r} is given twice", where=where, remedy="keep the right one")
        info[key] = parse_floats(value.split())


def _read_last_line(words: list[str], info: dict[str, Any], dipole_sign: int) -> None:
    values = parse_floats(words[1:])
    if words[0] == "abprop:":
        info["energy" if len(values) == 1 else "abprop"] = values
        return
    info["electric_field"] = -dipole_sign * values
    if "Dipole" in info:
        info["Dipole"] = dipole_sign * info["Dipole"]
    if "POL" in info:
        info["polarizability"] = -info.pop("POL")


def _looks_like(path: Path, field: bool) -> bool:
    if not path.is_file() or path.suffix in (".npz", ".h5", ".gz", ".traj"):
        return False
    with open(path, encoding="utf-8", errors="replace") as stream:
        head = [stream.readline(1000) for _ in range(6)]
    return head[4].lstrip().startswith("pbc ") and ("='" in head[5]) == field


_UNITLESS = "units as declared"
REANN = Format(
    name="reann",
    recognises=partial(_looks_like, field=False),
    frames=read_frames,
    convention=f"REANN configuration: {_UNITLESS}, Cartesian positions; one number after abprop is the energy",
)
REANN_FRACTIONAL = Format(
    name="reann-fractional",
    recognises=lambda path: False,
    frames=partial(read_frames, fractional=True),
    convention=f"REANN configuration: {_UNITLESS}, fractional positions; one number after abprop is the energy",
)
FIREANN = Format(
    name="fireann",
    recognises=partial(_looks_like, field=True),
    frames=read_frames,
    convention=f"FIREANN configuration: {_UNITLESS}; signs are flipped, dipole = -Dipole and polarizability = -POL; "
    "where this gives electronegative atoms a positive charge, read with format='fireann-reversed-field'",
)
FIREANN_REVERSED = Format(
    name="fireann-reversed-field",
    recognises=lambda path: False,
    frames=partial(read_frames, dipole_sign=1),
    convention=f"FIREANN configuration: {_UNITLESS}; electric_field = -External_field, dipole = Dipole and "
    "polarizability = -POL, as in the authors' N-methylacetamide data",
)
