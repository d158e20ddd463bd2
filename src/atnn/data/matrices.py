"""Values of pairs of atoms as the matrices that files and ASE hold.

A Hessian of N atoms is one matrix [3 N, 3 N] there, with a block of each pair of atoms, and 9 N^2 numbers where it is
flat. The package holds a row for each pair, [N^2, 3, 3], as for any other quantity.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from atnn.quantities import Quantity


def find_file_shape(entry: Quantity, rows: int) -> tuple[int, ...]:
    """Shape of the value of one structure in a file.

    Args:
        entry: The quantity.
        rows: Number of its rows in the structure.
    """
    if entry.axis == "structure":
        return entry.shape
    if not entry.axis.endswith("_pair"):
        return (rows, *entry.shape)
    atoms = math.isqrt(rows)
    if len(entry.shape) == 2:
        return (atoms * entry.shape[0], atoms * entry.shape[1])
    return (atoms, atoms, *entry.shape)


def split_matrix(value: Float[np.ndarray, "..."], entry: Quantity, rows: int) -> Float[np.ndarray, "..."]:
    """The rows of a value of the shape that :func:`find_file_shape` tells."""
    if entry.axis == "structure":
        return value
    if entry.axis.endswith("_pair") and len(entry.shape) == 2:
        atoms, (height, width) = math.isqrt(rows), entry.shape
        value = value.reshape(atoms, height, atoms, width).swapaxes(1, 2)
    return value.reshape(rows, *entry.shape)


def join_matrix(value: Float[np.ndarray, "..."], entry: Quantity) -> Float[np.ndarray, "..."]:
    """The inverse of :func:`split_matrix`."""
    shape = find_file_shape(entry, len(value))
    if entry.axis.endswith("_pair") and len(entry.shape) == 2:
        atoms, (height, width) = math.isqrt(len(value)), entry.shape
        value = value.reshape(atoms, atoms, height, width).swapaxes(1, 2)
    return value.reshape(shape)
