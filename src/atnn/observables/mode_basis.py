"""Normal modes as a basis to which motion is resolved, read from the file of `atnn modes`."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase.data import atomic_numbers
from jaxtyping import Float, Int

from atnn.documents import read_json
from atnn.errors import DataError

ORTHONORMAL = 1e-3  # largest deviation of the overlaps from those of orthonormal modes


class ModeBasis(NamedTuple):
    """What of normal modes their basis is: any :class:`NormalModes` has it, too.

    Attributes:
        frequencies: Wavenumbers [cm^-1].
        modes: Mass-weighted displacements, orthonormal rows.
        positions: Positions at which they were found [Angstrom].
        numbers: Atomic numbers.
    """

    frequencies: Float[np.ndarray, " modes"]
    modes: Float[np.ndarray, "modes atoms 3"]
    positions: Float[np.ndarray, "atoms 3"]
    numbers: Int[np.ndarray, " atoms"]


def read_basis(path: str | Path) -> ModeBasis:
    """Read the modes that `atnn modes --output` wrote as JSON.

    Raises:
        DataError: The file does not hold orthonormal modes.
    """
    content = read_json(path)
    try:
        masses = np.array(content["masses"], dtype=float)
        modes = np.array(content["displacements"], dtype=float) * np.sqrt(masses)[:, None]
        basis = ModeBasis(
            np.array(content["frequencies"], dtype=float),
            modes,
            np.array(content["positions"], dtype=float),
            np.array([atomic_numbers[symbol] for symbol in content["symbols"]]),
        )
        flat = modes.reshape(len(basis.frequencies), basis.positions.size)
        sound = basis.positions.shape == (len(basis.numbers), 3)
        sound &= np.allclose(flat @ flat.T, np.eye(len(flat)), atol=ORTHONORMAL)
    except (KeyError, TypeError, ValueError) as error:
        raise _no_modes(path) from error
    if not sound:
        raise _no_modes(path)
    return basis


def _no_modes(path: str | Path) -> DataError:
    return DataError("holds no normal modes", where=str(path), remedy="give the JSON file of `atnn modes --output`")
