"""Writing normal modes for other programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from ase.data import chemical_symbols

from atnn.observables.harmonic import NormalModes
from atnn.observables.records import refuse_other, write_record

MODES = "atnn-modes"
UNKNOWN: Mapping[str, str] = MappingProxyType({})

_UNITS = {
    "frequencies": "cm^-1",
    "intensities": "km/mol",
    "displacements": "amu^-1/2",
    "positions": "Angstrom",
    "masses": "amu",
    "largest_force": "eV/Angstrom",
}


def write_modes(path: str | Path, modes: NormalModes, origin: Mapping[str, str] = UNKNOWN) -> Path:
    """Write normal modes and the units of their numbers as one JSON object.

    ``frequencies`` (imaginary ones negative), ``intensities`` (null where the potential gives no dipole) and the
    Cartesian ``displacements`` [modes][atoms][3] of a mass-weighted amplitude of one stand beside ``symbols``,
    ``positions`` and ``masses`` of the atoms.

    Args:
        path: The file. One with normal modes of another origin is not replaced.
        modes: The normal modes.
        origin: Name -> hash of what they were made of.

    Raises:
        DataError: The file cannot be written, or holds something else; an existing one is unchanged.
    """
    refuse_other(Path(path), MODES, origin)
    content = {
        "units": _UNITS,
        "frequencies": modes.frequencies.tolist(),
        "intensities": None if modes.intensities is None else modes.intensities.tolist(),
        "displacements": modes.displacements.tolist(),
        "symbols": [chemical_symbols[number] for number in modes.numbers],
        "positions": modes.positions.tolist(),
        "masses": modes.masses.tolist(),
        "largest_force": modes.largest_force,
    }
    return write_record(Path(path), MODES, origin, content)
