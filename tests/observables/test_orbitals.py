"""Orbitals out of matrices: against SciPy, the electron count, and limits that can be written down."""

import pytest
import scipy.linalg
import torch

from atnn.errors import DataError
from atnn.observables import find_orbitals, mulliken_charges, solve_orbitals
from orbital_bases import SVP


def matrices(size=24, seed=0):
    generator = torch.Generator().manual_seed(seed)
    hamiltonian, root = torch.randn(2, size, size, dtype=torch.float64, generator=generator)
    overlap = torch.eye(size).double() + 0.1 * (root @ root.T) / size
    return hamiltonian + hamiltonian.T, overlap


def test_energies_and_orbitals_solve_the_generalised_problem():
    hamiltonian, overlap = matrices()
    orbitals = solve_orbitals(hamiltonian, overlap, 10)
    expected = scipy.linalg.eigh(hamiltonian.numpy(), overlap.numpy(), eigvals_only=True)
    torch.testing.assert_close(orbitals.energies, torch.from_numpy(expected))
    c = orbitals.coefficients
    torch.testing.assert_close(hamiltonian @ c, overlap @ c * orbitals.energies, rtol=0, atol=1e-12)
    torch.testing.assert_close(c.T @ overlap @ c, torch.eye(24).double(), rtol=0, atol=1e-12)


def test_the_density_holds_all_electrons_in_pairs():
    hamiltonian, overlap = matrices()
    orbitals = solve_orbitals(hamiltonian, overlap, 10)
    density = orbitals.density
    assert float((density * overlap).sum()) == pytest.approx(10)
    torch.testing.assert_close(density @ overlap @ density, 2 * density, rtol=0, atol=1e-12)
    assert float(orbitals.gap) == pytest.approx(float(orbitals.energies[5] - orbitals.energies[4]))
    # The sum of the energies of the electrons is the trace of density and Hamiltonian.
    assert float((density * hamiltonian).sum()) == pytest.approx(2 * float(orbitals.occupied.sum()))


def test_an_odd_electron_stays_alone():
    hamiltonian, overlap = matrices()
    assert solve_orbitals(hamiltonian, overlap, 3).occupations[:3].tolist() == [2, 1, 0]


def test_charges_sum_to_the_total_charge():
    hamiltonian, overlap = matrices()
    numbers = torch.tensor([8, 1, 1])
    blocks = torch.from_numpy(SVP.split(hamiltonian.numpy(), numbers.tolist()))
    for charge in (0, 2, -2):
        orbitals = find_orbitals(blocks, overlap, numbers, SVP, charge)
        charges = mulliken_charges(orbitals, overlap, numbers, SVP)
        assert float(charges.sum()) == pytest.approx(charge) and charges.abs().max() > 0.1


def test_two_orbitals_split_by_coupling_over_one_plus_overlap():
    h, s = 4.0, 0.2
    hamiltonian = torch.tensor([[-10.0, -h], [-h, -10.0]])
    found = solve_orbitals(hamiltonian, torch.tensor([[1.0, s], [s, 1.0]]), 2)
    expected = [(-10.0 - h) / (1 + s), (-10.0 + h) / (1 - s)]
    assert found.energies.tolist() == pytest.approx(expected)


def test_energies_can_be_differentiated():
    hamiltonian, overlap = matrices(6)

    def occupied(h):
        return solve_orbitals(0.5 * (h + h.T), overlap, 4).energies[:2]

    assert torch.autograd.gradcheck(occupied, (hamiltonian.requires_grad_(True),))


def test_impossible_matrices_are_refused():
    hamiltonian, overlap = matrices(4)
    with pytest.raises(DataError, match="none of independent orbitals"):
        solve_orbitals(hamiltonian, torch.ones(4, 4).double(), 2)
    with pytest.raises(DataError, match="9 electrons in 4 orbitals"):
        solve_orbitals(hamiltonian, overlap, 9)
    with pytest.raises(DataError, match="no gap"):
        _ = solve_orbitals(hamiltonian, overlap, 8).gap
