"""A frame as its file states it: foreign names, foreign units, nothing interpreted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ase.data import atomic_numbers

from atnn.errors import DataError


class RawFrame(NamedTuple):
    """One frame in the units of its file.

    Attributes:
        numbers: Atomic numbers.
        positions: Cartesian positions.
        cell: Lattice vectors as rows, zero where there are none.
        pbc: Periodicity along each lattice vector.
        info: Values of the whole frame by the file's keys.
        arrays: Values per atom by the file's keys.
        where: File and frame, for messages.
    """

    numbers: np.ndarray
    positions: np.ndarray
    cell: np.ndarray
    pbc: np.ndarray
    info: dict[str, Any]
    arrays: dict[str, np.ndarray]
    where: str


@dataclass(frozen=True)
class Format:
    """How one kind of file is recognised and read.

    Attributes:
        name: Name for ``format=``.
        recognises: Whether a path looks like this format.
        frames: Reads a path frame by frame.
        convention: Units and signs in words, for people.
        units: Units of the format, or None where files of it state none and the user has to declare them.
        aliases: Quantity name -> further keys of this format.
    """

    name: str
    recognises: Callable[[Path], bool]
    frames: Callable[[Path], Iterator[RawFrame]]
    convention: str
    units: Mapping[str, str] | None = None
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


ASE_UNITS = {
    "energy": "eV",
    "length": "Angstrom",
    "forces": "eV/Angstrom",
    "stress": "eV/Angstrom^3",
    "virial": "eV",
    "dipole": "e*Angstrom",
    "charges": "e",
    "atomic_dipoles": "e*Angstrom",
    "electric_field": "V/Angstrom",
}


def atomic_number(symbol: str, where: str) -> int:
    """Atomic number of a chemical symbol.

    Raises:
        DataError: There is no such element.
    """
    number = atomic_numbers.get(symbol) or atomic_numbers.get(symbol.capitalize())
    if not number:
        raise DataError(
            f"{symbol!r} is not a chemical symbol", where=where, remedy="write the symbol of an element, as H, C or Cu"
        )
    return number


def numbers_of(symbols: list[str], where: str) -> np.ndarray:
    """Atomic numbers of chemical symbols."""
    known = {symbol: atomic_number(symbol, where) for symbol in set(symbols)}
    return np.array([known[symbol] for symbol in symbols], dtype=np.int64)
