"""Extended XYZ, plain or gzipped, streamed frame by frame.

The comment line follows https://github.com/libAtoms/extxyz. ASE parses it, so that a file means the same here and
there. The columns are split here, which is four times as fast.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from ase.io.extxyz import key_val_str_to_dict

from atnn.errors import DataError
from atnn.reading.raw import ASE_UNITS, Format, RawFrame, find_numbers

_TENSOR = re.compile(r"(?<!\S)(stress|virial)=")
_KINDS = {"R": np.float64, "I": np.int64}


def read_frames(path: Path) -> Iterator[RawFrame]:
    """Frames of an extended XYZ file.

    Raises:
        DataError: A frame is truncated or a line cannot be understood. The message names file, frame and line.
    """
    line_number = 0
    with _open_text(path) as stream:
        try:
            for index, line in enumerate(_list_first_lines(stream)):
                where = f"{path}, frame {index}"
                frame, used = _read_frame(stream, line, where, line_number)
                line_number += used
                yield frame
        except (EOFError, gzip.BadGzipFile, UnicodeDecodeError) as error:
            raise DataError(
                f"cannot be decompressed or decoded ({error})", where=str(path), remedy="copy the file again"
            ) from error


def _open_text(path: Path) -> TextIOWrapper:
    return gzip.open(path, "rt") if path.suffix == ".gz" else open(path)


def _list_first_lines(stream: TextIOWrapper) -> Iterator[str]:
    """First lines of frames; empty lines between frames are skipped."""
    while line := stream.readline():
        if line.strip():
            yield line


def _read_frame(stream: TextIOWrapper, first: str, where: str, before: int) -> tuple[RawFrame, int]:
    try:
        count = int(first)
    except ValueError:
        raise DataError(
            f"expected the number of atoms, found {first.strip()[:40]!r}",
            where=f"{where}, about line {before + 1}",
            remedy="the frame before it has more lines than atoms, or this is no XYZ file",
        ) from None
    comment = stream.readline()
    lines = list(islice(stream, count))
    if len(lines) < count:
        raise DataError(
            f"the file ends after {len(lines)} of {count} atoms",
            where=where,
            remedy="the file is truncated: copy it again",
        )
    if count < 1:
        raise DataError("frame without atoms", where=where, remedy="remove the frame")
    try:
        info = _parse_comment(comment)
    except (ValueError, IndexError) as error:
        raise DataError(f"comment line cannot be read ({error})", where=where, remedy="write key=value pairs") from None
    columns = _split_columns(lines, str(info.pop("Properties", "species:S:1:pos:R:3")), where)
    numbers = _take_numbers(columns, where)
    positions = columns.pop("pos", None)
    if positions is None or positions.shape[1:] != (3,):
        raise DataError("no column pos:R:3", where=where, remedy="name the positions 'pos' in Properties")
    cell = _take_cell(info)
    pbc = np.broadcast_to(np.asarray(info.pop("pbc", bool(cell.any())), dtype=bool), (3,))
    return RawFrame(numbers, positions, cell, pbc, info, columns, where), count + 2


def _parse_comment(comment: str) -> dict[str, Any]:
    # ASE insists on nine numbers under these names, but files with six (Voigt) are as common.
    renamed = _TENSOR.sub(r"_tensor_\1=", comment)
    return {key.removeprefix("_tensor_"): value for key, value in key_val_str_to_dict(renamed).items()}


def _split_columns(lines: list[str], properties: str, where: str) -> dict[str, np.ndarray]:
    fields = properties.split(":")
    layout = [(fields[k], fields[k + 1], int(fields[k + 2])) for k in range(0, len(fields) - 2, 3)]
    width = sum(number for _, _, number in layout)
    tokens = " ".join(lines).split()
    if len(tokens) != width * len(lines):
        _refuse_line(lines, width, where)
    table = np.array(tokens, dtype=object).reshape(len(lines), width)
    columns, start = {}, 0
    for name, kind, number in layout:
        block = table[:, start : start + number] if number > 1 else table[:, start]
        start += number
        try:
            if kind in _KINDS:
                block = block.astype(_KINDS[kind])
            elif kind == "L":
                block = np.isin(block.astype(str), ("T", "True", "true", "1"))
        except ValueError as error:
            raise DataError(f"column {name!r}: {error}", where=where, remedy="repair the line") from None
        columns[name] = block
    return columns


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
            return columns.pop(name).astype(np.int64)
    raise DataError("no column 'species' or 'Z'", where=where, remedy="name the elements in Properties")


def _take_cell(info: dict[str, Any]) -> np.ndarray:
    lattice = info.pop("Lattice", None)
    if lattice is None:
        return np.zeros((3, 3))
    # ASE's parser fills the matrix by columns, so its transpose holds the lattice vectors as rows.
    return np.ascontiguousarray(np.asarray(lattice, dtype=np.float64).T)


EXTXYZ = Format(
    name="extxyz",
    recognises=lambda path: path.name.removesuffix(".gz").endswith((".xyz", ".extxyz")),
    frames=read_frames,
    convention="extended XYZ: ASE's units (eV, Angstrom, e) are assumed, stress with ASE's sign (tension positive), "
    "virial = -dE/d(strain) = -volume * stress; declare units= where the file uses others",
    units=ASE_UNITS,
    aliases={"charges": ("charge",)},
)
