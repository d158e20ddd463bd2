"""Values that mean the same or nothing: signs, branches of the polarisation, atoms without a label, and padding."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from atnn.quantities import QUANTITIES, Quantity
from atnn.structures import Labelled, Structures


def approach_label(name: str, predicted: Tensor, label: Tensor, structures: Structures, modulo: bool) -> Tensor:
    """Choose, among the values that mean the same as the predicted ones, those nearest to the labels.

    The choice is locally constant, so that the gradient is that of the value chosen.

    Args:
        name: A row of the table.
        predicted: Predicted values [rows, ...].
        label: Labels of the same shape.
        structures: The structures, for their cells.
        modulo: Whether dipoles of periodic structures mean the same on all branches, see :func:`subtract_quanta`.
    """
    row = QUANTITIES[name]
    if row.sign_free:
        overlap = (predicted.detach() * label).flatten(1).sum(1).reshape(-1, *(1,) * len(row.shape))
        return torch.where(overlap < 0, -predicted, predicted)
    if modulo and name == "dipole":
        excess = predicted.detach() - label
        return predicted - (excess - subtract_quanta(excess, structures))
    return predicted


def subtract_quanta(dipoles: Float[Tensor, "structures 3"], structures: Structures) -> Float[Tensor, "structures 3"]:
    """Subtract multiples of the quanta of polarisation, ``e`` times the lattice vectors along periodic directions.

    What is left is at most half of each lattice vector. Molecules keep their dipoles.

    R. D. King-Smith, D. Vanderbilt, Phys. Rev. B 1993, 47, 1651, doi:10.1103/PhysRevB.47.1651.
    """
    pbc, cell = structures.pbc[:, :, None], structures.cell.to(dipoles)
    lattice = torch.where(pbc, cell, torch.eye(3).to(cell))
    numbers = torch.linalg.solve(lattice.mT, dipoles[:, :, None])
    return dipoles - (lattice.mT @ torch.where(pbc, numbers.round(), 0.0)).squeeze(2)


def find_labelled_rows(labelled: Labelled, name: str) -> Bool[Tensor, " rows"]:
    """Find the rows with a label; of partial labels, atoms without one have NaN."""
    row = QUANTITIES[name]
    mask = labelled.masks[name][labelled.structures.rows(row.axis)]
    return mask & ~find_missing(row, labelled.labels[name]) if row.partial and name in labelled.labels else mask


def find_missing(row: Quantity, label: Tensor) -> Bool[Tensor, " rows"]:
    """Find the rows whose label is missing, which is NaN."""
    return torch.isnan(label.reshape(label.shape[0], -1)[:, 0])


def count_sides(row: Quantity, structures: Structures) -> Int[Tensor, "2 rows"]:
    """Count the rows and columns of the matrix of each pair of atoms that are no padding."""
    table = [0] * (max(z for z, _ in row.sizes) + 1)
    for number, size in row.sizes:
        table[number] = size
    numbers = structures.numbers[structures.pairs("atom_pair")]
    return torch.tensor(table, device=numbers.device)[numbers]


def find_elements(row: Quantity, structures: Structures) -> Bool[Tensor, "rows height width"]:
    """Find the elements of the matrix of each pair of atoms that are no padding."""
    first, second = count_sides(row, structures)
    height, width = (torch.arange(size, device=first.device) for size in row.shape)
    return (height < first[:, None])[:, :, None] & (width < second[:, None])[:, None]
