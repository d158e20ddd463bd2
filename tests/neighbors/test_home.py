"""Homes: small coordinates with the distances of the large ones."""

import numpy as np
import pytest
import torch
from ase.build import molecule
from hypothesis import given
from hypothesis import strategies as st

from atnn.neighbors import edges, find_home, neighbor_pairs
from atnn.structures import Structures
from systems import crystal, ethanol, methane, slab


def water():
    return molecule("H2O")


BATCH = (ethanol, crystal, slab)


def scatter(seed, reach):
    """Each structure far away along directions without periodicity, each atom in another cell along the others."""
    rng, frames = np.random.default_rng(seed), []
    for make in BATCH:
        atoms = make()
        away = rng.uniform(-reach, reach, 3) * ~atoms.pbc
        wraps = rng.integers(-reach, reach, (len(atoms), 3)) * atoms.pbc
        atoms.positions += away + wraps @ atoms.cell.array
        frames.append(atoms)
    return Structures.from_ase(frames)


@given(seed=st.integers(0, 2**32 - 1), reach=st.sampled_from([2, 100, 10_000]))
def test_the_pairs_at_home_are_those_that_were_there(seed, reach):
    far = scatter(seed, reach)
    pairs, home = neighbor_pairs(far, 3.0), find_home(far)
    positions = far.positions - home.displacements(far)
    found = edges(far.replace(positions=positions), home.shift_pairs(pairs))
    torch.testing.assert_close(found.vectors, edges(far, pairs).vectors, rtol=0, atol=1e-8)
    assert positions.abs().max() < 2 * far.cell.abs().sum(1).max()


def test_molecules_are_not_torn_and_lie_around_the_origin():
    atoms = ethanol()
    atoms.translate([1e5, 0.0, -3.0])
    structures = Structures.from_ase(atoms)
    home = find_home(structures)
    assert not home.wraps.any()
    found = structures.positions - home.displacements(structures)
    # Nine atoms: the median of each coordinate is that of an atom.
    assert found.median(0).values.abs().max() < 1e-9 and found.abs().max() < 3.0


@pytest.mark.parametrize("make", [ethanol, methane, water])
def test_the_home_of_a_mirror_image_is_the_mirrored_home(make):
    one, other = make(), make()
    other.positions *= -1.0
    found, mirrored = (find_home(Structures.from_ase(atoms)).origins for atoms in (one, other))
    assert torch.equal(found, -mirrored)


def test_one_atom_far_away_does_not_move_the_others_from_the_origin():
    near, far = ethanol(), ethanol()
    far.positions[3] += 1e9
    structures = Structures.from_ase([near, far, near])
    found = structures.positions - find_home(structures).displacements(structures)
    assert (found.abs().amax(1) < 4.0).sum() == len(found) - 1


@pytest.mark.parametrize("make", BATCH)
def test_cells_along_periodic_directions_only_are_left(make):
    wraps = find_home(scatter(0, 50)).wraps
    structure = scatter(0, 50).batch == BATCH.index(make)
    assert not wraps[structure][:, ~make().pbc].any()
