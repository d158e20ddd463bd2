"""Sampled geometries: reproducible, as hot as asked for, and of molecules only."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule

from atnn.active import sample_geometries
from atnn.active.sampling import find_contacts
from atnn.errors import DataError, SpecificationError
from atnn.labelling import LabellerPotential, TbliteLabeller
from atnn.structures import Structures
from dynamics.analytic import Morse
from systems import crystal

pytest.importorskip("tblite")
XTB = LabellerPotential(TbliteLabeller())
WATER = Structures.from_ase(molecule("H2O"))


def energies(structures: Structures) -> np.ndarray:
    return XTB(structures, ("energy",))["energy"].numpy()


def test_samples_are_reproducible_distinct_and_hotter_ones_go_farther():
    first = sample_geometries(XTB, WATER, 20, seed=1, temperatures=(100.0, 3000.0), spacing=10)
    again = sample_geometries(XTB, WATER, 20, seed=1, temperatures=(100.0, 3000.0), spacing=10)
    other = sample_geometries(XTB, WATER, 20, seed=2, temperatures=(100.0, 3000.0), spacing=10)
    assert len(first) == 20 and torch.equal(first.positions, again.positions)
    assert not torch.equal(first.positions, other.positions)
    geometries = first.positions.view(20, 3, 3)
    distances = (geometries[:, :, None] - geometries[:, None]).norm(dim=-1)
    assert len(torch.unique(distances[:, 0, 1])) == 20
    found = energies(first)
    assert found.argmin() == 0  # the minimum itself
    cold, hot = found[10:15] - found[0], found[15:] - found[0]
    assert cold.mean() < 0.06 < hot.mean()


def test_normal_mode_samples_carry_the_zero_point_energy():
    found = energies(sample_geometries(XTB, WATER, 60, seed=3, temperatures=(10.0,), dynamics=0.0))
    # half of the zero-point energy of 0.548 eV is potential
    assert (found[1:] - found[0]).mean() == pytest.approx(0.274, rel=0.3)


def test_the_first_geometry_is_the_minimum():
    minimum = sample_geometries(XTB, WATER, 2, seed=0, dynamics=0.0).select([0])
    assert XTB(minimum, ("forces",))["forces"].norm(dim=1).max() < 2e-3


def test_any_potential_drives_the_sampling():
    diatomic = Structures.from_ase(molecule("CO"))
    found = sample_geometries(Morse(), diatomic, 30, seed=1, temperatures=(300.0,), dynamics=0.5, spacing=5)
    lengths = found.positions.view(30, 2, 3).diff(dim=1).norm(dim=2)
    assert lengths[0].item() == pytest.approx(1.1, abs=1e-3)
    assert 0.01 < lengths[1:].std() < 0.1


def test_close_atoms_are_recognised():
    water = molecule("H2O")
    assert not find_contacts(Structures.from_ase(water)).item()
    water.positions[1] = water.positions[0] + [0.4, 0, 0]
    assert find_contacts(Structures.from_ase(water)).item()


def test_displacements_that_are_all_too_close_are_an_error():
    collapsed = Structures.from_ase(molecule("CO"))
    with pytest.raises(SpecificationError, match="too close in all but 0 of 180"):
        sample_geometries(Morse(length=0.3), collapsed, 10, seed=0, temperatures=(100.0,), dynamics=0.0)


def test_crystals_are_refused():
    with pytest.raises(DataError, match="for molecules"):
        sample_geometries(XTB, Structures.from_ase(crystal()), 4, seed=0)


def test_contacts_are_those_of_the_nearest_images():
    apart = Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.5]])
    near = Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.3]])
    images = Atoms("H2", positions=[[0, 0, 0.1], [0, 0, 4.9]], cell=[5, 5, 5], pbc=True)
    found = find_contacts(Structures.from_ase([apart, near, images, Atoms("H")]))
    assert found.tolist() == [False, True, True, False]  # 0.6 times twice 0.31 Angstrom is 0.37
