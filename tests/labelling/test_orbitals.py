"""Hamiltonians and overlaps of PySCF and tblite in the basis that find_basis states."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from scipy.spatial.transform import Rotation

from atnn.errors import LabellingError
from atnn.labelling import PyscfLabeller, TbliteLabeller, compute_overlap, find_basis
from atnn.observables import find_orbitals, mulliken_charges
from atnn.structures import Structures
from orbital_bases import SVP, TIGHT, turn_orbitals

pytest.importorskip("pyscf")
pytest.importorskip("tblite")
ROTATION = Rotation.from_rotvec([0.4, -1.0, 0.3]).as_matrix()


def make_pyscf():
    return PyscfLabeller("hf", "def2-svp", convergence=1e-11, orbitals=SVP)


@pytest.fixture(scope="module", params=["pyscf", "tblite"])
def case(request):
    """Labeller, molecule, its labels and those of the turned molecule."""
    labeller, name = (make_pyscf(), "H2O") if request.param == "pyscf" else (TbliteLabeller(orbitals=TIGHT), "CH3SH")
    atoms = molecule(name)
    atoms.rattle(0.1, seed=2)
    turned = atoms.copy()
    turned.positions = turned.positions @ ROTATION.T
    structures = [Structures.from_ase(each) for each in (atoms, turned)]
    return labeller, structures[0], *(labeller(each) for each in structures)


def test_bases_are_what_the_programs_say():
    assert find_basis("def2-svp", "OHC") == SVP
    assert find_basis("GFN2-xTB", "OHCS") == TIGHT
    # a contraction with several columns is several shells
    assert find_basis("cc-pvdz", "O").shells["O"] == (0, 0, 0, 1, 1, 2)


@pytest.mark.parametrize("what", ["hamiltonian", "overlap"])
def test_matrices_turn_with_the_molecule_by_the_matrices_of_our_harmonics(case, what):
    labeller, structure, labels, turned = case
    basis = labeller.orbitals
    turn = turn_orbitals(basis, structure.numbers, ROTATION)
    before, after = (basis.join(torch.from_numpy(each[what]), structure.numbers) for each in (labels, turned))
    torch.testing.assert_close(after, turn @ before @ turn.T, rtol=0, atol=1e-4)
    assert (after - before).abs().max() > 0.1


def test_the_hamiltonian_gives_the_charges_of_the_program(case):
    labeller, structure, labels, _ = case
    overlap = compute_overlap(structure, labeller.orbitals)
    given = labeller.orbitals.join(torch.from_numpy(labels["overlap"]), structure.numbers)
    torch.testing.assert_close(given, overlap, rtol=0, atol=1e-10)
    blocks = torch.from_numpy(labels["hamiltonian"])
    orbitals = find_orbitals(blocks, overlap, structure.numbers, labeller.orbitals)
    charges = mulliken_charges(orbitals, overlap, structure.numbers, labeller.orbitals)
    np.testing.assert_allclose(charges.numpy(), labels["charges"], atol=2e-5)
    assert abs(charges).max() > 0.1


def test_energies_are_in_electron_volt():
    structure = Structures.from_ase(molecule("H2O"))
    labels = make_pyscf()(structure)
    orbitals = find_orbitals(torch.from_numpy(labels["hamiltonian"]), compute_overlap(structure, SVP),
                             structure.numbers, SVP)  # fmt: skip
    assert float(orbitals.energies[0]) == pytest.approx(-559, abs=2)  # 1s of oxygen, Hartree-Fock
    assert float(orbitals.occupied[-1]) == pytest.approx(-13.5, abs=0.3)
    assert len(orbitals.occupied) == 5


def test_what_has_no_single_hamiltonian_or_another_basis_is_refused():
    with pytest.raises(LabellingError, match="one for each spin"):
        make_pyscf()(Structures.from_ase(Atoms("OH", positions=[[0, 0, 0], [0, 0, 0.97]])))
    with pytest.raises(LabellingError, match=r"find_basis\('sto-3g'"):
        PyscfLabeller(basis="sto-3g", orbitals=SVP)
    other = SVP.model_copy(update={"shells": {"H": (0, 0)}})
    with pytest.raises(LabellingError, match=r"H has the shells \[0, 0, 1\]"):
        compute_overlap(Structures.from_ase(molecule("H2")), other)
    crystal = Structures.from_ase(Atoms("C", cell=[3, 3, 3], pbc=True))
    with pytest.raises(LabellingError, match="labels of molecules"):
        TbliteLabeller(orbitals=TIGHT)(crystal)
    with pytest.raises(LabellingError, match="one molecule at a time"):
        compute_overlap(crystal, SVP)
    with pytest.raises(LabellingError, match="no elements: Xx"):
        find_basis("def2-svp", ["Xx"])


@pytest.mark.filterwarnings("ignore:Basis may be available:UserWarning")
def test_an_unknown_basis_is_an_error():
    with pytest.raises(LabellingError, match="PySCF has no basis no-such-basis for H"):
        find_basis("no-such-basis", ["H"])
