"""Reference energies: isolated atoms, or least squares in float64."""

from __future__ import annotations

import pytest
import torch
from ase import Atoms

from atnn.data import Frames, isolated_atoms, reference_energies
from atnn.errors import AtnnWarning, DataError
from atnn.structures import Labelled, Structures

TRUTH = {1: -13.6057, 6: -1029.48912345678, 8: -2041.83962345678}


def frames(formulas, energy=lambda atoms: sum(TRUTH[z] for z in atoms.numbers), masked=()):
    atoms = [Atoms(formula, positions=[[2.0 * k, 0, 0] for k in range(len(Atoms(formula)))]) for formula in formulas]
    energies = torch.tensor([energy(a) for a in atoms], dtype=torch.float64)
    mask = torch.tensor([index not in masked for index in range(len(atoms))])
    return Frames(Labelled(Structures.from_ase(atoms), {"energy": energies * mask}, {"energy": mask}))


def test_least_squares_find_the_atoms_that_make_up_the_energies():
    found = reference_energies(frames(["CH4", "H2O", "C2H6O", "CO2", "H2", "CH4"], masked=(4,)))
    assert found == pytest.approx(TRUTH, rel=1e-12)


def test_only_the_chosen_structures_count():
    data = frames(["H2", "O2", "H2O"], energy=lambda a: -1.0 if len(a) == 3 else sum(TRUTH[z] for z in a.numbers))
    assert reference_energies(data, [0, 1]) == pytest.approx({1: TRUTH[1], 8: TRUTH[8]})


def test_one_composition_gives_the_smallest_energies_that_fit_and_a_warning():
    with pytest.warns(AtnnWarning, match="cannot tell the energies of 2 elements"):
        found = reference_energies(frames(["CH4", "CH4"], energy=lambda a: -17.0))
    # the smallest solution of e_C + 4 e_H = -17 lies along (1, 4)
    assert found == pytest.approx({6: -1.0, 1: -4.0})


def test_isolated_atoms_are_taken_as_given():
    data = frames(["CH4", "H2O"])
    assert reference_energies(data, isolated={"H": -1.0, 6: -2.0, 8: -3.0, 9: 0.0}) == {1: -1.0, 6: -2.0, 8: -3.0}
    atoms = frames(["H", "C", "O", "CO"])
    assert isolated_atoms(atoms) == pytest.approx(TRUTH)
    assert reference_energies(data, isolated=atoms) == pytest.approx(TRUTH)


def test_a_missing_isolated_atom_is_an_error():
    with pytest.raises(DataError, match="no isolated atom of O"):
        reference_energies(frames(["H2O"]), isolated={"H": -1.0})


def test_data_without_energies_are_an_error():
    with pytest.raises(DataError, match="no frame has an energy"):
        reference_energies(frames(["H2O"], masked=(0,)))


def test_large_energies_keep_their_digits():
    shift = -1.5e6
    found = reference_energies(frames(["H2", "H2"] * 500, energy=lambda a: 2 * (shift + 1e-7)))
    assert found[1] - shift == pytest.approx(1e-7, abs=2e-9)  # float64 has steps of 2e-10 here
