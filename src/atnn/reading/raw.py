"""A frame as its file states it, with the file's keys and units: nothing is interpreted yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ase.data import atomic_numbers

from atnn.errors import DataError
from atnn.quantities import QUANTITIES, Axis
from atnn.stated import STATED

Aliases = Mapping[str, tuple[str, ...]]
ASE_UNITS = {"energy": "eV", "length": "Angstrom"}
MOVE_MASK = "move_mask"  # ASE's name in extended XYZ of which atoms are free
DIPOLE_ORIGIN = "dipole_origin"  # point that the dipole of a frame is taken about, see :mod:`atnn.reading.origins`
MASSES = "masses"  # ASE's name; read for mass-weighted values alone
INDEX_KEYS = ("adsorbate_indices", "friction_indices")  # in info, for files without a column of adsorbates
STATED_BY_KEY = {entry.key: entry for entry in STATED.values()}


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
        units: ``energy``, ``length`` and whatever does not follow from them by its dimension; None where files of this
            format state no units, so that the user has to declare them.
        aliases: Quantity name -> keys of this format beside those of the table of quantities.
        find_units: Finds the units that a file states itself, given its path and the keys that the user declares.
    """

    name: str
    recognises: Callable[[Path], bool]
    frames: Callable[[Path], Iterator[RawFrame]]
    convention: str
    units: Mapping[str, str] | None = None
    aliases: Aliases = field(default_factory=dict)
    find_units: Callable[[Path, Mapping[str, str | None]], Mapping[str, str]] | None = None


def list_keys(name: str, aliases: Aliases) -> tuple[str, ...]:
    """Keys under which a file may carry a quantity or a stated number.

    Args:
        name: A name of the table of quantities, or the key of an entry of :data:`atnn.stated.STATED`.
        aliases: Further keys of the format.
    """
    known = QUANTITIES[name].keys if name in QUANTITIES else STATED_BY_KEY[name].aliases
    return (name, *known, *aliases.get(name, ()))


def find_axis(key: str, aliases: Aliases) -> Axis | None:
    """Whether a file's array of that key has a row per ``atom`` or per ``structure``; None for a key nobody knows.

    Shapes alone cannot tell: the dipoles of water, [frames, 3], would be a number per atom.
    """
    for name in (*QUANTITIES, *STATED_BY_KEY):
        if key in list_keys(name, aliases):
            return QUANTITIES[name].axis if name in QUANTITIES else "structure"
    return None


def list_every_key(aliases: Aliases) -> frozenset[str]:
    """All keys under which a file may carry something that is read."""
    return frozenset(key for name in (*QUANTITIES, *STATED_BY_KEY) for key in list_keys(name, aliases))


def find_number(symbol: str, where: str) -> int:
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


def find_numbers(symbols: list[str], where: str) -> np.ndarray:
    """Atomic numbers of chemical symbols."""
    known = {symbol: find_number(symbol, where) for symbol in set(symbols)}
    return np.array([known[symbol] for symbol in symbols], dtype=np.int64)
