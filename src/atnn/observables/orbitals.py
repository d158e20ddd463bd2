"""Orbital energies, density matrix and charges from Hamiltonian and overlap.

    H c_k = e_k S c_k,    c_k^T S c_l = delta_kl,    P = sum_k n_k c_k c_k^T,    q_a = Z_a - sum_{m in a} (P S)_mm

The functions are differentiable, except where orbitals have equal energies.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from atnn.basis import Basis
from atnn.errors import DataError

SMALLEST_OVERLAP = 1e-8  # eigenvalue of S; below it orbitals depend linearly on each other within rounding


class Orbitals(NamedTuple):
    """Molecular orbitals, from the lowest one upwards.

    Attributes:
        energies: Their energies [eV].
        coefficients: A column for each orbital.
        occupations: Numbers of electrons.
    """

    energies: Float[Tensor, " orbitals"]
    coefficients: Float[Tensor, "orbitals orbitals"]
    occupations: Float[Tensor, " orbitals"]

    @property
    def occupied(self) -> Float[Tensor, " occupied"]:
        """Energies of the orbitals that hold electrons [eV]."""
        return self.energies[self.occupations > 0]

    @property
    def gap(self) -> Float[Tensor, ""]:
        """Energy between the highest occupied and the lowest empty orbital [eV].

        Raises:
            DataError: No orbital is empty, or none is occupied.
        """
        count = len(self.occupied)
        if count in (0, len(self.energies)):
            raise DataError("there is no gap, because all orbitals are occupied or empty", remedy="take a larger basis")
        return self.energies[count] - self.energies[count - 1]

    @property
    def density(self) -> Float[Tensor, "orbitals orbitals"]:
        """Density matrix P of the atomic orbitals."""
        return (self.coefficients * self.occupations) @ self.coefficients.T


def solve_orbitals(
    hamiltonian: Float[Tensor, "orbitals orbitals"], overlap: Float[Tensor, "orbitals orbitals"], electrons: int
) -> Orbitals:
    """Solve the generalised eigenvalue problem in float64 and fill the lowest orbitals with two electrons each.

    Args:
        hamiltonian: H [eV].
        overlap: S.
        electrons: Number of electrons; an odd one stays alone in its orbital.

    Raises:
        DataError: The overlap is not positive definite, or the electrons do not fit into the orbitals.
    """
    if not 0 <= electrons <= 2 * len(overlap):
        raise DataError(f"{electrons} electrons in {len(overlap)} orbitals", remedy="correct the charge or the basis")
    values, vectors = torch.linalg.eigh(overlap.double())
    if float(values[0]) < SMALLEST_OVERLAP:
        raise DataError(
            f"the overlap has the eigenvalue {float(values[0]):.2g}, so it is none of independent orbitals",
            remedy="give the overlap of the same structure and basis, or take a basis without diffuse functions",
        )
    inverse_root = vectors * torch.rsqrt(values)
    energies, coefficients = torch.linalg.eigh(inverse_root.T @ hamiltonian.double() @ inverse_root)
    left = electrons - 2 * torch.arange(len(energies), device=energies.device)
    return Orbitals(energies, inverse_root @ coefficients, left.clamp(0, 2).double())


def find_orbitals(
    blocks: Float[Tensor, "pairs width width"],
    overlap: Float[Tensor, "orbitals orbitals"],
    numbers: Int[Tensor, " atoms"],
    basis: Basis,
    charge: int = 0,
) -> Orbitals:
    """Find the orbitals of one molecule from the blocks that a model predicts.

    Args:
        blocks: Hamiltonian of each pair of atoms [eV].
        overlap: Overlap of the orbitals, see :func:`atnn.labelling.compute_overlap`.
        numbers: Atomic numbers.
        basis: The basis of both.
        charge: Total charge [e].
    """
    electrons = sum(basis.count_electrons(number) for number in numbers.tolist()) - charge
    return solve_orbitals(basis.join(blocks, numbers), overlap, electrons)


def mulliken_charges(
    orbitals: Orbitals, overlap: Float[Tensor, "orbitals orbitals"], numbers: Int[Tensor, " atoms"], basis: Basis
) -> Float[Tensor, " atoms"]:
    """Compute Mulliken charges [e], doi:10.1063/1.1740588."""
    populations = (orbitals.density * overlap).sum(1)
    counts = torch.tensor([basis.count_orbitals(number) for number in numbers.tolist()], device=numbers.device)
    owners = torch.repeat_interleave(torch.arange(len(numbers), device=numbers.device), counts)
    protons = populations.new_tensor([basis.count_electrons(number) for number in numbers.tolist()])
    return protons.index_add(0, owners, populations, alpha=-1)
