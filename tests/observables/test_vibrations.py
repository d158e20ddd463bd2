"""The one call for vibrations: what it treats, and how."""

import numpy as np
import pytest
import torch
from ase import Atoms

from atnn.observables import analyse_vibrations, harmonic, thermochemistry, vibrational_levels
from atnn.structures import Structures
from dynamics.analytic import Morse
from observables.bonds import Bonds, bent


def test_it_is_what_the_methods_give_one_by_one():
    potential = Bonds(("energy", "forces", "dipole"))
    found = analyse_vibrations(potential, bent(), temperature=500.0, pressure=2.0)
    assert found.modes.frequencies == pytest.approx(harmonic(potential, bent()).frequencies, abs=1e-6)
    assert set(found.thermochemistry) == {"harmonic", "grimme", "truhlar"}
    alone = thermochemistry(found.modes, 500.0, 2.0, low="grimme")
    assert found.thermochemistry["grimme"] == alone
    assert found.levels is None and found.constants is None


def test_molecules_that_are_bent_have_levels_and_constants_and_two_atoms_have_levels():
    found = analyse_vibrations(Bonds(("energy", "forces")), bent(), anharmonic=True)
    assert found.levels is not None and found.constants is not None
    assert len(found.constants.frequencies) == 3
    potential, atoms = Morse(), Atoms("CO", positions=[[0, 0, 0], [0, 0, Morse().length]])
    two = Structures.from_ase(atoms)
    pair = analyse_vibrations(potential, two, masses=np.array([12.0, 2.0]), anharmonic=True)
    assert pair.constants is None
    expected = vibrational_levels(potential, two, masses=np.array([12.0, 2.0])).frequencies
    torch.testing.assert_close(torch.as_tensor(pair.levels.frequencies), torch.as_tensor(expected))
