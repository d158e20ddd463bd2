"""How quantities of the table transform."""

import torch

from atnn.quantities import quantity


def turn(name, value, matrix):
    """Values of a quantity after the orthogonal ``matrix`` was applied to all structures, by its rank and parity.

    A true tensor of rank n has the parity (-1)^n; one of the other parity is a pseudotensor.
    """
    row, matrix = quantity(name), torch.as_tensor(matrix, dtype=value.dtype)
    for axis in range(value.dim() - row.rank, value.dim()):
        value = torch.tensordot(value, matrix, dims=([axis], [1])).movedim(-1, axis)
    pseudo = row.parity != (-1) ** row.rank
    return value * torch.linalg.det(matrix).round() if pseudo else value


def shape(name, structures):
    """Shape that the table says the values of a quantity have for a batch."""
    row = quantity(name)
    return (structures.totals[row.axis], *row.shape)
