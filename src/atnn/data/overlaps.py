"""Whether matrices of orbitals have the order of orbitals that their basis states, found out from the overlaps.

The overlap of two shells knows no direction but that from one atom to the other. Its tensors of degree L are therefore
multiples of the harmonics Y_L of that direction, and its pseudotensors vanish. The orbitals of one shell are orthogonal
and alike. A matrix with its orbitals in another order satisfies neither.
"""

from __future__ import annotations

from typing import get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from atnn.basis import Basis, Convention
from atnn.errors import DataError
from atnn.so3 import join_block, spherical_harmonics, split_block
from atnn.structures import Structures

TOLERANCE = 1e-3  # of the overlap that is not of the allowed form, relative to all of it between different atoms
NEAR = 4.0  # Angstrom; overlaps of distant atoms are small


def check_order(
    structure: Structures, blocks: Float[Tensor, "pairs width width"], basis: Basis, where: str = ""
) -> None:
    """Check the overlap of one molecule against the order of orbitals that the basis states.

    Args:
        structure: One molecule.
        blocks: Overlap of each pair of its atoms.
        basis: The basis.
        where: File and frame, for the message.

    Raises:
        DataError: The orbitals stand in another order, have other signs, or are those of another basis.
    """
    error = measure_disorder(structure, blocks, basis)
    if error < TOLERANCE:
        return
    for convention in get_args(Convention):
        other = basis.model_copy(update={"convention": convention})
        if convention != basis.convention and measure_disorder(structure, blocks, other) < TOLERANCE:
            problem, remedy = f"the orbitals stand in the order of {convention}", f"state `convention: {convention}`"
            break
    else:
        problem, remedy = "the order of the orbitals is another one", "state the shells in the order of the matrix"
    raise DataError(
        f"{problem}, not in that of {basis.convention} for {basis.name}: {100 * error:.2g} % of the overlap breaks its "
        "symmetry",
        where=where,
        remedy=f"{remedy}, or bring the matrix into that order",
    )


def measure_disorder(structure: Structures, blocks: Float[Tensor, "pairs width width"], basis: Basis) -> float:
    """Measure how much of the overlap of one molecule has not the form that overlaps of shells have, from 0 to 1."""
    numbers, positions = structure.numbers.tolist(), structure.positions.double()
    matrices = blocks.double().unflatten(0, (len(numbers), len(numbers)))
    wrong = total = 0.0
    for a, b in np.ndindex(len(numbers), len(numbers)):
        vector = positions[b] - positions[a]
        if float(vector.norm()) > NEAR:
            continue
        for first, rows in basis.slice_shells(numbers[a]):
            for second, columns in basis.slice_shells(numbers[b]):
                block = matrices[a, b][rows][:, columns]
                expected = _fit_axial(block, vector) if a != b else _fit_diagonal(block)
                wrong += float((block - expected).square().sum())
                total += float(expected.square().sum()) if first + second else 0.0
    return (wrong / max(wrong + total, 1e-12)) ** 0.5


def _fit_axial(block: Float[Tensor, "m1 m2"], vector: Float[Tensor, "3"]) -> Tensor:
    """Fit a block by one of the same shells that turns with the vector only."""
    first, second = (block.shape[0] - 1) // 2, (block.shape[1] - 1) // 2
    harmonics = spherical_harmonics(vector[None] / vector.norm(), first + second)
    found = []
    for degree, part in enumerate(split_block(block), start=abs(first - second)):
        axis = harmonics[degree][0] if (first + second + degree) % 2 == 0 else torch.zeros_like(part)
        found.append((part @ axis) / (2 * degree + 1) * axis)
    return join_block(found, first, second)


def _fit_diagonal(block: Float[Tensor, "m1 m2"]) -> Tensor:
    """Fit a block of shells of the same atom by a multiple of the identity, or zero for different degrees."""
    if block.shape[0] != block.shape[1]:
        return torch.zeros_like(block)
    return block.diagonal().mean() * torch.eye(len(block), dtype=block.dtype)
