"""Pair lists hold exactly the pairs that ASE finds, in the promised order."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list
from hypothesis import given
from hypothesis import strategies as st

from atnn.errors import DataError, SpecificationError
from atnn.neighbors import VerletList, edges, neighbor_pairs, refuse_contacts
from atnn.neighbors.wide import wide_half_list
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


def count_pairs(structures, cutoff, images):
    """Pairs by looking at every atom and image, in float64."""
    total = 0
    for shift in np.ndindex(*(2 * n + 1 for n in images)):
        moved = (
            structures.positions + torch.tensor(np.subtract(shift, images), dtype=torch.float64) @ structures.cell[0]
        )
        total += int(
            (torch.cdist(moved, structures.positions, compute_mode="donot_use_mm_for_euclid_dist") < cutoff).sum()
        )
    return total - len(structures.numbers)


@pytest.mark.parametrize("height", [3e4, 1e6, 1e9])
def test_an_atom_far_above_a_slab_ends_no_process_and_loses_no_pair(height):
    atoms = slab()
    atoms.positions[-1, 2] += height
    atoms.positions[0] += 3 * atoms.cell[0] - 2 * atoms.cell[1]
    wrapped = atoms.copy()
    wrapped.wrap()
    pairs = neighbor_pairs(Structures.from_ase(atoms), 6.0)
    assert len(pairs.i) == count_pairs(Structures.from_ase(wrapped), 6.0, (3, 3, 0)) > 100
    vectors = edges(Structures.from_ase(atoms), pairs)
    assert float(vectors.lengths.max()) < 6.0 and torch.equal(pairs.j[pairs.reverse], pairs.i)


@pytest.mark.parametrize("pbc", [(True, True, True), (True, False, False), (False, False, True)])
def test_an_absurdly_large_cell_loses_no_pair_across_its_faces(pbc):
    atoms = methane()
    atoms.set_cell(np.eye(3) * 1e6)
    atoms.pbc = pbc
    pairs = neighbor_pairs(Structures.from_ase(atoms), 2.5)  # carbon lies in the corner
    assert len(pairs.i) == 20


@given(frames(), st.floats(0.7, 5.0))
def test_the_list_of_wide_structures_is_that_of_others(atoms, cutoff):
    s = Structures.from_ase(atoms)
    i, j, shifts = wide_half_list(s.positions.numpy(), s.cell[0].numpy(), s.pbc[0].numpy(), cutoff, "")
    both = [*zip(i, j, *shifts.T, strict=True), *zip(j, i, *-shifts.T, strict=True)]
    assert sorted(tuple(map(int, row)) for row in both) == reference(atoms, cutoff)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e14, 1e300])
def test_positions_that_are_no_geometry_are_refused_by_structure_and_atom(value):
    s = Structures.from_ase([water_box(1), methane()])
    s.positions[5, 1] = value
    with pytest.raises(DataError, match="structure 1, atom 2"):
        neighbor_pairs(s, 3.0)
    cell = Structures.from_ase(water_box(1)).cell * value
    with pytest.raises(DataError, match="cell"):
        neighbor_pairs(Structures.from_ase(water_box(1)).replace(cell=cell), 3.0)


def test_an_atom_more_cells_away_than_a_shift_can_count_is_refused():
    atoms = crystal()
    atoms.positions[2, 0] = 1e12
    with pytest.raises(DataError, match="atom 2 lies"):
        neighbor_pairs(Structures.from_ase(atoms), 3.0)


def test_atoms_on_top_of_each_other_are_refused_by_name():
    atoms = water_box(1)
    refuse_contacts(Structures.from_ase(atoms))
    atoms.positions[2] = atoms.positions[1] + atoms.cell[0]  # an image
    with pytest.raises(DataError, match="structure 1: atoms 1 and 2 are"):
        refuse_contacts(Structures.from_ase([water_box(1), atoms]))


@pytest.mark.parametrize("second", [[1.0, 1e-320, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
def test_flat_lattices_are_refused(second):
    atoms = crystal()
    cell = np.array([[8.0, 0.0, 0.0], second, [0.0, 0.0, 20.0]])
    structures = Structures.from_ase(atoms).replace(
        cell=torch.as_tensor(cell)[None], pbc=torch.tensor([[True, True, False]])
    )
    with pytest.raises(DataError, match="parallel"):
        neighbor_pairs(structures, 5.0)
