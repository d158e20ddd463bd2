"""The order of orbitals is found out from the overlap, without the program that made it."""

import numpy as np
import pytest
import torch
from ase.build import molecule

from atnn.basis import Basis
from atnn.data.overlaps import check_order, measure_disorder
from atnn.errors import DataError
from atnn.labelling import compute_overlap
from atnn.structures import Structures
from orbital_bases import SVP, TIGHT

pytest.importorskip("pyscf")


@pytest.fixture(scope="module")
def water():
    atoms = molecule("H2O")
    atoms.rattle(0.1, seed=2)
    atoms.rotate(50, (1, 2, 3))
    structure = Structures.from_ase(atoms)
    return structure, compute_overlap(structure, SVP)


def blocks_of(basis, matrix, structure):
    return torch.from_numpy(basis.split(matrix.numpy(), structure.numbers.tolist()))


def test_the_right_order_has_the_symmetry_of_overlaps(water):
    structure, overlap = water
    assert measure_disorder(structure, blocks_of(SVP, overlap, structure), SVP) < 1e-12
    check_order(structure, blocks_of(SVP, overlap, structure), SVP)


def test_the_order_of_another_program_is_recognised(water):
    structure, overlap = water
    stated = SVP.model_copy(update={"convention": "tblite"})
    with pytest.raises(DataError, match=r"(?s)order of pyscf, not in that of tblite.*convention: pyscf"):
        check_order(structure, blocks_of(SVP, overlap, structure), stated, where="frame 3")


@pytest.mark.parametrize("wrong", ["shells", "d", "sign"])
def test_other_orders_and_signs_are_refused(water, wrong):
    structure, overlap = water
    order, signs = np.arange(24), np.ones(24)
    if wrong == "shells":  # those of oxygen: s, p, s, s, p, d
        order[:9] = [0, 3, 4, 5, 1, 2, 6, 7, 8]
    elif wrong == "d":  # m = 0, 1, -1, 2, -2, as in some programs
        order[9:14] = 9 + np.array([2, 3, 1, 4, 0])
    else:
        signs[3] = -1.0
    changed = overlap[order][:, order] * torch.from_numpy(np.outer(signs, signs))
    with pytest.raises(DataError, match=r"is another one.* % of the overlap breaks"):
        check_order(structure, blocks_of(SVP, changed, structure), SVP)


def test_a_basis_of_s_functions_has_no_order_to_check():
    structure = Structures.from_ase(molecule("H2"))
    basis = Basis(name="sto-3g", shells={"H": (0,)})
    check_order(structure, blocks_of(basis, compute_overlap(structure, basis), structure), basis)


def test_overlaps_of_tight_binding_have_d_functions_in_the_stated_order():
    pytest.importorskip("tblite")
    structure = Structures.from_ase(molecule("CH3SH"))
    overlap = blocks_of(TIGHT, compute_overlap(structure, TIGHT), structure)
    assert measure_disorder(structure, overlap, TIGHT) < 1e-12
    with pytest.raises(DataError, match="order of tblite, not in that of pyscf"):
        check_order(structure, overlap, TIGHT.model_copy(update={"convention": "pyscf"}))
