"""Bases for tests, and the matrices by which their orbitals turn."""

import torch

from atnn.basis import Basis
from atnn.so3 import turning_matrices

SVP = Basis(name="def2-svp", shells={"H": (0, 0, 1), "C": (0, 0, 0, 1, 1, 2), "O": (0, 0, 0, 1, 1, 2)})
TIGHT = Basis(
    name="GFN2-xTB",
    convention="tblite",
    shells={"H": (0,), "C": (0, 1), "O": (0, 1), "S": (0, 1, 2)},
    cores={"C": 2, "O": 2, "S": 10},
)


def turn_orbitals(basis, numbers, rotation):
    """The orthogonal matrix by which all orbitals of a molecule turn."""
    turns = turning_matrices(torch.as_tensor(rotation), basis.degree)
    own = [(degree, list(basis.order_components(degree))) for z in numbers for degree in basis.list_shells(int(z))]
    return torch.block_diag(*(turns[degree][order][:, order] for degree, order in own))
