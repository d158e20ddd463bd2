"""Writing normal modes for other programs."""

from __future__ import annotations

import json
from pathlib import Path

from ase.data import chemical_symbols

from atnn.files import write_atomically
from atnn.observables.harmonic import NormalModes

_UNITS = {
    "frequencies": "cm^-1",
    "intensities": "km/mol",
    "displacements": "amu^-1/2",
    "positions": "Angstrom",
    "masses": "amu",
    "largest_force": "eV/Angstrom",
}


def write_modes(path: str | Path, modes: NormalModes) -> Path:
    """Write normal modes and the units of their numbers as one JSON object.

    ``frequencies`` (imaginary ones negative), ``intensities`` (null where the potential gives no dipole) and the
    Cartesian ``displacements`` [modes][atoms][3] of a mass-weighted amplitude of one stand beside ``symbols``,
    ``positions`` and ``masses`` of the atoms.

    Raises:
        DataError: The file cannot be written; an existing one is unchanged.
    """
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
    return write_atomically(path, json.dumps(content, allow_nan=False, indent=1) + "\n")
