"""Pair lists hold exactly the pairs that ASE finds, in the promised order."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list
from hypothesis import given
from hypothesis import strategies as st

from atnn.errors import SpecificationError
from atnn.neighbors import VerletList, edges, neighbor_pairs
from atnn.structures import Structures
from systems import crystal, methane, single_atom, slab, two_fragments, water_box


def pair_set(neighbors):
    columns = [neighbors.i[:, None], neighbors.j[:, None], neighbors.shifts.round().long()]
    return sorted(map(tuple, torch.cat(columns, 1).tolist()))


def reference(atoms, cutoff):
    return sorted(map(tuple, np.column_stack(neighbor_list("ijS", atoms, cutoff)).tolist()))


@st.composite
def frames(draw):
    """Few atoms, some outside of the cell, in a skewed cell that may be far smaller than the cutoff."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(1, 6))
    cell = np.eye(3) * rng.uniform(1.5, 6.0, 3) + rng.uniform(-0.6, 0.6, (3, 3))
    pbc = draw(st.tuples(st.booleans(), st.booleans(), st.booleans()))
    return Atoms("H" * count, positions=rng.uniform(-1, 2, (count, 3)) @ cell, cell=cell, pbc=pbc)


@given(frames(), st.floats(0.7, 5.0))
def test_pairs_equal_those_of_ase(atoms, cutoff):
    assert pair_set(neighbor_pairs(Structures.from_ase(atoms), cutoff)) == reference(atoms, cutoff)


@given(st.lists(frames(), min_size=1, max_size=4))
def test_a_batch_holds_the_pairs_of_its_structures_and_no_others(batch):
    neighbors, expected, start = neighbor_pairs(Structures.from_ase(batch), 3.0), [], 0
    for atoms in batch:
        expected += [(i + start, j + start, *s) for i, j, *s in reference(atoms, 3.0)]
        start += len(atoms)
    assert pair_set(neighbors) == sorted(expected)


@pytest.mark.parametrize("atoms", [water_box(2), slab(), crystal(), bulk("Cu"), two_fragments(), single_atom()])
def test_order_offsets_and_reverse_pairs_are_consistent(atoms):
    n = neighbor_pairs(Structures.from_ase(atoms), 5.0)
    assert torch.equal(n.i, n.i.sort().values)
    assert torch.equal(n.offsets.diff(), torch.bincount(n.i, minlength=len(atoms)))
    assert torch.equal(n.i[n.reverse], n.j) and torch.equal(n.shifts[n.reverse], -n.shifts)


@pytest.mark.parametrize("atoms", [water_box(2), slab(), crystal()])
def test_vectors_and_lengths_equal_those_of_ase(atoms):
    s = Structures.from_ase(atoms)
    n = neighbor_pairs(s, 4.0)
    e = edges(s, n)
    i, j, shifts, vectors = neighbor_list("ijSD", atoms, 4.0)
    order = np.lexsort(np.column_stack([i, j, shifts]).T[::-1])
    ours = np.column_stack([n.i, n.j, n.shifts.long()])
    np.testing.assert_allclose(e.vectors[np.lexsort(ours.T[::-1])], vectors[order], atol=1e-12)
    torch.testing.assert_close(e.lengths, e.vectors.norm(dim=1))


def test_a_cutoff_that_is_not_positive_is_refused():
    with pytest.raises(SpecificationError, match="positive"):
        neighbor_pairs(Structures.from_ase(water_box(1)), 0.0)


@given(st.integers(0, 2**32 - 1))
def test_a_verlet_list_never_misses_a_pair(seed):
    rng = np.random.default_rng(seed)
    atoms = water_box(2)
    verlet = VerletList(3.0, 0.8)
    for _ in range(6):
        atoms.positions += rng.normal(scale=0.08, size=atoms.positions.shape)
        s = Structures.from_ase(atoms)
        found = pair_set(verlet(s))
        assert set(reference(atoms, 3.0)) <= set(found)
    assert verlet.builds < 6


def test_a_verlet_list_is_built_again_only_when_it_must_be():
    s = Structures.from_ase(water_box(2))
    verlet = VerletList(3.0, 0.6)
    first = verlet(s)
    nearly, beyond = s.positions.clone(), s.positions.clone()
    nearly[3, 0] += 0.29
    assert verlet(s.replace(positions=nearly)) is first
    beyond[3, 0] += 0.31
    assert verlet(s.replace(positions=beyond)) is not first and verlet.builds == 2
    verlet(s.replace(positions=beyond, cell=s.cell * 1.01))
    assert verlet.builds == 3
    verlet(s.replace(positions=beyond, cell=s.cell * 1.01, pbc=~s.pbc))
    assert verlet.builds == 4
    verlet(s.select([0, 0]))
    assert verlet.builds == 5


@pytest.mark.parametrize("distance", [1e3, 1e6, 1e12])
def test_fragments_may_be_as_far_apart_as_a_trajectory_takes_them(distance):
    """vesin alone divides by zero there, which ends the process."""
    atoms = methane()
    far = methane()
    far.translate([distance, 0, 0])
    pairs, alone = (neighbor_pairs(Structures.from_ase(a), 2.0) for a in (atoms + far, atoms))
    assert torch.equal(pairs.i[pairs.i < 5], alone.i) and len(pairs.i) == 2 * len(alone.i)
    assert torch.equal(pairs.j[pairs.reverse], pairs.i)
