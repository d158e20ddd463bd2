"""A basis of orbitals: counts, the order of orbitals, and blocks of matrices."""

import numpy as np
import pytest
import torch

from atnn.basis import Basis, require_basis
from atnn.errors import DataError, SpecificationError
from atnn.quantities import QUANTITIES
from orbital_bases import SVP, TIGHT


def test_orbitals_and_electrons_are_counted():
    assert [SVP.count_orbitals(z) for z in (1, 8)] == [5, 14] and SVP.width == 14 and SVP.degree == 2
    assert [TIGHT.count_electrons(z) for z in (1, 8, 16)] == [1, 6, 6] and SVP.count_electrons(8) == 8


def test_blocks_join_to_the_matrix_that_was_split():
    matrix = np.random.default_rng(0).normal(size=(24, 24))
    blocks = SVP.split(matrix, [1, 8, 1])
    assert blocks.shape == (9, 14, 14)
    np.testing.assert_array_equal(blocks[1, :5], matrix[:5, 5:19])
    assert not blocks[0, 5:].any() and not blocks[:3, :, 5:][[0, 2]].any()
    joined = SVP.join(torch.from_numpy(blocks), torch.tensor([1, 8, 1]))
    np.testing.assert_array_equal(joined.numpy(), matrix)


@pytest.mark.parametrize("basis", [SVP, TIGHT], ids=["pyscf", "tblite"])
def test_every_component_of_a_shell_has_its_place(basis):
    for degree in range(5):
        assert sorted(basis.order_components(degree)) == list(range(2 * degree + 1))
    # x, y, z of ours are 0, 1, 2
    assert basis.order_components(1) == {"pyscf": (0, 1, 2), "tblite": (1, 2, 0)}[basis.convention]


def test_rows_of_the_table_have_the_size_of_the_declared_basis():
    for basis in (SVP, TIGHT):
        basis.declare()
        assert QUANTITIES["hamiltonian"].shape == QUANTITIES["overlap"].shape == (basis.width, basis.width)
        assert QUANTITIES["hamiltonian"].unit == "eV" and not QUANTITIES["hamiltonian"].referenced


def test_what_does_not_fit_a_basis_is_refused():
    with pytest.raises(DataError, match=r"24 orbitals of the basis def2-svp"):
        SVP.split(np.zeros((20, 20)), [1, 8, 1])
    with pytest.raises(DataError, match="blocks of the shape"):
        SVP.join(torch.zeros(4, 14, 14), torch.tensor([1, 8, 1]))
    with pytest.raises(DataError, match="states no shells of Cu"):
        SVP.count_orbitals(29)
    with pytest.raises(SpecificationError, match="no shells of S"):
        require_basis(SVP, [1, 16])
    with pytest.raises(SpecificationError, match="no meaning without its basis"):
        require_basis(None, [1])
    with pytest.raises(ValueError, match="no elements: Xx"):
        Basis(name="mine", shells={"Xx": (0,)})
