"""Extended XYZ, plain, gzipped or as xz, streamed frame by frame.

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
from atnn.reading.text import open_text, parse_count, refuse_underscores

EMPTY = 1000  # lines between two frames
_TENSOR = re.compile(r"(?<!\S)(stress|virial)=")
_KINDS = {"R": np.float64, "I": np.int64, "S": object, "L": bool}
_TRUTH = {
    word: value for value in (True, False) for word in (str(value), str(value).lower(), str(value)[0], str(int(value)))
}
_QUOTED = re.compile(r"=\s*(\"[^\"]*\"|'[^']*'|\{[^}]*\}|\[[^\]]*\])")
_KEY = re.compile(r"([^\s=,]+)\s*=")
_PAIR = re.compile(r"([^\s=\"]+)=(\"[^\"]*\"|'[^']*'|\{[^}]*\}|\[[^\]]*\]|\S+)")
_ODD_NUMBER = re.compile(r"(?<![^\s=,\"'{\[])[-+.\d]*\d_\d[-+._\deE]*(?![^\s,\"'}\]])")


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
    """First lines of frames; empty lines between frames are skipped, but not the millions of a small gzipped file."""
    empty = 0
    while line := stream.readline():
        if line.strip():
            empty = 0
            yield line
        elif (empty := empty + 1) > EMPTY:
            raise DataError(f"has more than {EMPTY} empty lines", where=str(path), remedy="copy the file again")


def _read_frame(stream: TextIOWrapper, first: str, where: str, before: int) -> tuple[RawFrame, int]:
    try:
        count = parse_count(first.strip())
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
        info = _parse_comment(comment, where)
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise DataError(f"comment line cannot be read ({error})", where=where, remedy="write key=value pairs") from None
    columns = _split_columns(lines, str(info.pop("Properties", "species:S:1:pos:R:3")), where)
    numbers = _take_numbers(columns, where)
    positions = columns.pop("pos", None)
    if positions is None or positions.shape[1:] != (3,):
        raise DataError("no column pos:R:3", where=where, remedy="name the positions 'pos' in Properties")
    cell = _take_cell(info, where)
    pbc = _take_pbc(info, bool(cell.any()), where)
    return RawFrame(numbers, positions, cell, pbc, info, columns, where), count + 2


def _parse_comment(comment: str, where: str) -> dict[str, Any]:
    # ASE insists on nine numbers under these names, but files with six (Voigt) are as common.
    renamed = _TENSOR.sub(r"_tensor_\1=", comment)
    found = {key.removeprefix("_tensor_"): value for key, value in key_val_str_to_dict(renamed).items()}
    # Every key with a value has an equals sign; where there are no more than these, none was overwritten.
    if comment.count("=") > sum(value is not True for value in found.values()):
        _refuse_repeated_keys(comment, where)
    if "_" in comment and _ODD_NUMBER.search(comment):  # Python, and so ASE, takes 1_0 for ten; it stays a word here
        found |= {key: value.strip("\"'") for key, value in _PAIR.findall(comment) if _ODD_NUMBER.search(value)}
    return found


def _refuse_repeated_keys(comment: str, where: str) -> None:
    keys = _KEY.findall(_QUOTED.sub("= ", comment).replace('"', ""))
    for key in keys:
        if keys.count(key) > 1:
            raise DataError(f"the key {key!r} is given twice", where=where, remedy="keep the right one")


def _split_columns(lines: list[str], properties: str, where: str) -> dict[str, np.ndarray]:
    try:
        layout = _parse_properties(properties)
    except ValueError as error:
        raise DataError(str(error), where=where, remedy="write name:kind:columns, as species:S:1:pos:R:3") from None
    width = sum(number for _, _, number in layout)
    text = " ".join(lines)
    tokens, underscores = text.split(), "_" in text
    if len(tokens) != width * len(lines):
        _refuse_line(lines, width, where)
    table = np.array(tokens, dtype=object).reshape(len(lines), width)
    columns, start = {}, 0
    for name, kind, number in layout:
        block = table[:, start : start + number] if number > 1 else table[:, start]
        start += number
        try:
            if kind in "RI":
                if underscores:
                    refuse_underscores(block.ravel().tolist())
                block = block.astype(_KINDS[kind])
            elif kind == "L":
                block = _read_truth(block)
        except (ValueError, OverflowError) as error:
            raise DataError(f"column {name!r}: {error}", where=where, remedy="repair the line") from None
        columns[name] = block
    return columns


@lru_cache(maxsize=64)
def _parse_properties(properties: str) -> tuple[tuple[str, str, int], ...]:
    fields = properties.split(":")
    layout = tuple((fields[k], fields[k + 1], parse_count(fields[k + 2])) for k in range(0, len(fields) - 2, 3))
    names = [name for name, _, _ in layout]
    if len(fields) % 3 or not layout or any(kind not in _KINDS or not number for _, kind, number in layout):
        raise ValueError(f"Properties cannot be read: {properties[:80]!r}")
    if len(set(names)) < len(names):
        raise ValueError(f"Properties name a column twice: {properties[:80]!r}")
    return layout


def _read_truth(block: np.ndarray) -> np.ndarray:
    words = block.astype(str)
    if unknown := set(words.ravel().tolist()) - _TRUTH.keys():
        raise ValueError(f"{min(unknown)!r} is neither T nor F")
    return np.isin(words, [word for word, value in _TRUTH.items() if value])


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
            if numbers.dtype.kind != "i" or numbers.ndim != 1:
                raise DataError(f"the column {name!r} holds no integers", where=where, remedy=f"write {name}:I:1")
            return numbers
    raise DataError("no column 'species' or 'Z'", where=where, remedy="name the elements in Properties")


def _take_cell(info: dict[str, Any], where: str) -> np.ndarray:
    lattice = info.pop("Lattice", None)
    if lattice is None:
        return np.zeros((3, 3))
    cell = np.asarray(lattice)
    if cell.dtype.kind not in "iuf" or cell.shape != (3, 3):
        raise DataError(f"Lattice is {lattice!r}, not nine numbers", where=where, remedy="repair the frame")
    # ASE's parser fills the matrix by columns, so its transpose holds the lattice vectors as rows.
    return np.ascontiguousarray(cell.astype(np.float64).T)


def _take_pbc(info: dict[str, Any], default: bool, where: str) -> np.ndarray:
    given = info.pop("pbc", default)
    pbc = np.asarray(given)
    truth = pbc.dtype.kind == "b" or (pbc.dtype.kind in "iu" and bool(np.isin(pbc, (0, 1)).all()))
    if not truth or pbc.shape not in ((), (1,), (3,)):
        raise DataError(f"pbc is {given!r}, not three of T and F", where=where, remedy='write pbc="T T F"')
    return np.broadcast_to(pbc.astype(bool), (3,))


EXTXYZ = Format(
    name="extxyz",
    recognises=lambda path: path.name.removesuffix(".gz").removesuffix(".xz").endswith((".xyz", ".extxyz")),
    frames=read_frames,
    convention="extended XYZ: ASE's units (eV, Angstrom, e) are assumed, stress with ASE's sign (tension positive), "
    "virial = -dE/d(strain) = -volume * stress; declare units= where the file uses others",
    units=ASE_UNITS,
    aliases={"charges": ("charge",)},
)
