"""Extended XYZ, plain or gzipped, streamed frame by frame.

The comment line follows https://github.com/libAtoms/extxyz. ASE parses it, so that a file means the same here and
there. The columns are split here, which is four times as fast.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from ase.io.extxyz import key_val_str_to_dict

from atnn.errors import DataError
from atnn.reading.raw import ASE_UNITS, Format, RawFrame, find_numbers
from atnn.reading.text import open_text, parse_integer

EMPTY, MOST = 1000, 10**7  # empty lines between frames, and atoms of a frame
_QUOTED = re.compile(r""""[^"]*"|'[^']*'|\{[^{}]*\}|\[[^][]*\]""")
_KEY = re.compile(r"(?<![^\s,])([^\s=,]+)\s*=")
_TENSOR = re.compile(r"(?<!\S)(stress|virial)=")
_KINDS = {"R": np.float64, "I": np.int64}


def read_frames(path: Path) -> Iterator[RawFrame]:
    """Frames of an extended XYZ file.

    Raises:
        DataError: A frame is truncated or a line cannot be understood. The message names file, frame and line.
    """
    line_number = 0
    with open_text(path) as stream:
        for index, line in enumerate(_list_first_lines(stream, path)):
            where = f"{path}, frame {index}"
            frame, used = _read_frame(stream, line, where, line_number)
            line_number += used
            yield frame


def _list_first_lines(stream: TextIOWrapper, path: Path) -> Iterator[str]:
    """First lines of frames; empty lines between frames are skipped."""
    empty = 0
    while line := stream.readline():
        if line.strip():
            empty = 0
            yield line
        elif (empty := empty + 1) > EMPTY:
            raise DataError(f"more than {EMPTY} empty lines", where=str(path), remedy="copy the file again")


def _read_frame(stream: TextIOWrapper, first: str, where: str, before: int) -> tuple[RawFrame, int]:
    try:
        count = parse_integer(first)
    except ValueError:
        raise DataError(
            f"expected the number of atoms, found {first.strip()[:40]!r}",
            where=f"{where}, about line {before + 1}",
            remedy="the frame before it has more lines than atoms, or this is no XYZ file",
        ) from None
    if not 0 < count <= MOST:
        what = "frame without atoms" if count == 0 else f"a frame of {count} atoms"
        raise DataError(what, where=where, remedy="remove or repair the frame")
    comment = stream.readline()
    lines = list(islice(stream, count))
    if len(lines) < count:
        raise DataError(
            f"the file ends after {len(lines)} of {count} atoms",
            where=where,
            remedy="the file is truncated: copy it again",
        )
    try:
        info = _parse_comment(comment)
        cell = _take_cell(info)
        pbc = np.broadcast_to(_take_pbc(info, bool(cell.any())), (3,))
    except (ValueError, IndexError, TypeError) as error:
        raise DataError(
            f"comment line cannot be read ({str(error)[:200]})", where=where, remedy="write key=value pairs"
        ) from None
    columns = _split_columns(lines, str(info.pop("Properties", "species:S:1:pos:R:3")), where)
    numbers = _take_numbers(columns, where)
    positions = columns.pop("pos", None)
    if positions is None or positions.shape[1:] != (3,):
        raise DataError("no column pos:R:3", where=where, remedy="name the positions 'pos' in Properties")
    return RawFrame(numbers, positions, cell, pbc, info, columns, where), count + 2


def _parse_comment(comment: str) -> dict[str, Any]:
    # ASE insists on nine numbers under these names, but files with six (Voigt) are as common.
    renamed = _TENSOR.sub(r"_tensor_\1=", comment)
    found = {key.removeprefix("_tensor_"): value for key, value in key_val_str_to_dict(renamed).items()}
    if comment.count("=") != len(found):  # ASE keeps the last of two
        keys = _KEY.findall(_QUOTED.sub("", comment))
        if len(set(keys)) < len(keys):
            raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)!r} is given twice")
    return found


def _split_columns(lines: list[str], properties: str, where: str) -> dict[str, np.ndarray]:
    try:
        layout = _read_layout(properties)
    except ValueError:
        raise DataError(
            f"Properties={properties[:100]} cannot be understood",
            where=where,
            remedy="give name:kind:columns for each property once, for instance species:S:1:pos:R:3",
        ) from None
    width = sum(number for _, _, number in layout)
    text = " ".join(lines)
    tokens = text.split()
    if len(tokens) != width * len(lines):
        _refuse_line(lines, width, where)
    table = np.array(tokens, dtype=object).reshape(len(lines), width)
    columns, start = {}, 0
    for name, kind, number in layout:
        block = table[:, start : start + number] if number > 1 else table[:, start]
        start += number
        try:
            if kind in _KINDS:
                if "_" in text and any("_" in word for word in block.flat):  # Python takes 1_0 for 10
                    raise ValueError("a number with an underscore")
                block = block.astype(_KINDS[kind])
            elif kind == "L":
                block = np.isin(block.astype(str), ("T", "True", "true", "1"))
        except (ValueError, OverflowError) as error:
            raise DataError(f"column {name!r}: {str(error)[:200]}", where=where, remedy="repair the line") from None
        columns[name] = block
    return columns


@lru_cache(maxsize=16)
def _read_layout(properties: str) -> list[tuple[str, str, int]]:
    """Name, kind and width of each column.

    Raises:
        ValueError: The text says none.
    """
    fields = properties.split(":")
    try:
        layout = [(fields[k], fields[k + 1], parse_integer(fields[k + 2])) for k in range(0, len(fields), 3)]
    except (IndexError, ValueError):
        layout = []
    names = [name for name, _, _ in layout]
    if not layout or len(set(names)) < len(names) or any(number < 1 for _, _, number in layout):
        raise ValueError
    return layout


def _refuse_line(lines: list[str], width: int, where: str) -> None:
    for row, line in enumerate(lines):
        if len(line.split()) != width:
            raise DataError(
                f"atom {row} has {len(line.split())} columns, Properties promise {width}",
                where=where,
                remedy="repair the line, or the file is truncated",
            )


def _take_numbers(columns: dict[str, np.ndarray], where: str) -> np.ndarray:
    if "species" in columns:
        return find_numbers([str(symbol) for symbol in columns.pop("species")], where)
    for name in ("Z", "numbers"):
        if name in columns:
            numbers = columns.pop(name)
            if numbers.dtype.kind in "if" and numbers.ndim == 1:
                return numbers.astype(np.int64)
    raise DataError("no column 'species' or 'Z'", where=where, remedy="name the elements in Properties")


def _take_cell(info: dict[str, Any]) -> np.ndarray:
    lattice = info.pop("Lattice", None)
    if lattice is None:
        return np.zeros((3, 3))
    # ASE's parser fills the matrix by columns, so its transpose holds the lattice vectors as rows.
    return np.ascontiguousarray(np.asarray(lattice, dtype=np.float64).T)


def _take_pbc(info: dict[str, Any], default: bool) -> np.ndarray:
    found = np.asarray(info.pop("pbc", default))
    if found.dtype.kind not in "bi" or found.shape not in ((), (3,)):
        raise ValueError(f"pbc={found.tolist()!r}, but it is T or F along each lattice vector")
    return found.astype(bool)


EXTXYZ = Format(
    name="extxyz",
    recognises=lambda path: path.name.removesuffix(".gz").endswith((".xyz", ".extxyz")),
    frames=read_frames,
    convention="extended XYZ: ASE's units (eV, Angstrom, e) are assumed, stress with ASE's sign (tension positive), "
    "virial = -dE/d(strain) = -volume * stress; declare units= where the file uses others",
    units=ASE_UNITS,
    aliases={"charges": ("charge",)},
)
