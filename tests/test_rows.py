"""Rows of quantities of structures, atoms, adsorbates and pairs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from atnn.data import Frames, Store, concatenate, select, write_extxyz, write_store
from atnn.errors import DataError
from atnn.quantities import AXES, QUANTITIES, Quantity
from atnn.reading import read
from atnn.structures import Labelled, Structures
from atnn.units import LENGTH


@pytest.fixture
def couplings(monkeypatch):
    """Rows of the table of quantities of each axis of pairs and adsorbates, by axis."""
    shapes = {"atom_pair": (3, 3), "adsorbate": (2,), "adsorbate_pair": (3, 3)}
    rows = {}
    for axis, shape in shapes.items():
        name = f"coupling_{axis}"
        rows[axis] = Quantity(name, axis, shape, LENGTH, extensive=False, rank=0, parity=1)
        monkeypatch.setitem(QUANTITIES, name, rows[axis])
    return rows


def _make_labelled(couplings, seed: int = 0, marked: bool = True) -> Labelled:
    rng = np.random.default_rng(seed)
    counts = torch.tensor([3, 1, 4])
    batch = torch.repeat_interleave(torch.arange(3), counts)
    mask = torch.tensor([True, False, True, False, False, True, True, True])
    structures = Structures(
        positions=torch.from_numpy(rng.normal(size=(8, 3)) * 3),
        numbers=torch.tensor([1, 8, 1, 6, 1, 8, 1, 6]),
        cell=torch.zeros(3, 3, 3, dtype=torch.float64),
        pbc=torch.zeros(3, 3, dtype=torch.bool),
        batch=batch,
        adsorbate=mask if marked else None,
    )
    labels = {
        row.name: torch.from_numpy(rng.normal(size=(structures.totals[axis], *row.shape)))
        for axis, row in couplings.items()
    }
    return Labelled(structures, labels, {name: torch.tensor([True, True, True]) for name in labels})


def test_each_axis_has_its_rows(couplings):
    structures = _make_labelled(couplings).structures
    expected = {"structure": [1, 1, 1], "atom": [3, 1, 4], "atom_pair": [9, 1, 16]}
    expected |= {"adsorbate": [2, 0, 3], "adsorbate_pair": [4, 0, 9]}
    for axis in AXES:
        assert structures.count_rows(axis).tolist() == expected[axis]
        assert structures.totals[axis] == sum(expected[axis])
        assert structures.rows(axis).tolist() == np.repeat(range(3), expected[axis]).tolist()


@pytest.mark.parametrize("axis", ["atom_pair", "adsorbate_pair"])
def test_pairs_of_a_structure_are_a_matrix_in_row_major_order(couplings, axis):
    structures = _make_labelled(couplings).structures
    mask = structures.adsorbate if axis == "adsorbate_pair" else torch.ones(8, dtype=torch.bool)
    expected = []
    for structure in range(3):
        atoms = [a for a in range(8) if structures.batch[a] == structure and mask[a]]
        expected += [[a, b] for a in atoms for b in atoms]
    assert structures.pairs(axis).T.tolist() == expected


def test_without_marks_there_are_no_rows_of_adsorbates(couplings):
    structures = _make_labelled(couplings, marked=False).structures
    assert structures.totals["adsorbate"] == structures.totals["adsorbate_pair"] == 0
    assert structures.pairs("adsorbate_pair").shape == (2, 0)


def test_selected_rows_are_those_of_the_selected_structures(couplings):
    labelled = _make_labelled(couplings)
    for order in ([2, 0], [1], [0, 1, 2], [2, 2]):
        chosen = select(labelled, order)
        for axis, row in couplings.items():
            parts = [labelled.labels[row.name][labelled.structures.rows(axis) == k] for k in order]
            assert torch.equal(chosen.labels[row.name], torch.cat(parts))
            assert chosen.structures.totals[axis] == len(chosen.labels[row.name])


def test_singles_and_concatenation_keep_the_marks(couplings):
    labelled = _make_labelled(couplings)
    joined = Structures.concatenate(labelled.structures.singles())
    assert torch.equal(joined.adsorbate, labelled.structures.adsorbate)
    mixed = Structures.concatenate([labelled.structures, _make_labelled(couplings, marked=False).structures])
    assert mixed.adsorbate.tolist() == [*labelled.structures.adsorbate.tolist(), *[False] * 8]


def test_a_label_that_a_part_lacks_is_masked_there(couplings):
    first, second = _make_labelled(couplings), _make_labelled(couplings, seed=1)
    joined = concatenate([first, second._replace(labels={}, masks={})])
    for axis, row in couplings.items():
        assert len(joined.labels[row.name]) == 2 * first.structures.totals[axis]
        assert joined.masks[row.name].tolist() == [True] * 3 + [False] * 3


def test_ase_carries_the_marks(couplings):
    structures = _make_labelled(couplings).structures
    assert torch.equal(Structures.from_ase(structures.to_ase()).adsorbate, structures.adsorbate)


def test_marks_of_ase_must_be_truth_values(couplings):
    frame = _make_labelled(couplings).structures.to_ase()[0]
    frame.arrays["adsorbate"] = np.array([0.5, 0.0, 1.0])
    with pytest.raises(DataError, match="no truth values"):
        Structures.from_ase(frame)


def test_a_store_gives_the_rows_of_any_frames(couplings, tmp_path):
    labelled = concatenate([_make_labelled(couplings, seed) for seed in range(4)])
    store = write_store(tmp_path / "data.h5", [select(labelled, range(0, 5)), select(labelled, range(5, 12))])
    for order in ([11, 0, 3], [4, 5, 6], [7], range(12)):
        found, expected = store[order], select(labelled, order)
        assert torch.equal(found.structures.adsorbate, expected.structures.adsorbate)
        for row in couplings.values():
            assert torch.equal(found.labels[row.name], expected.labels[row.name])
    assert Store(tmp_path / "data.h5").content_hash == store.content_hash


def test_a_store_of_frames_without_adsorbates_has_no_rows_of_them(couplings, tmp_path):
    bare = _make_labelled(couplings, marked=False)
    store = write_store(tmp_path / "data.h5", bare)
    assert store[[0, 2]].labels["coupling_adsorbate_pair"].shape == (0, 3, 3)


def test_extended_xyz_carries_matrices_and_marks(couplings, tmp_path):
    labelled = _make_labelled(couplings)
    masks = {name: torch.tensor([True, False, True]) for name in labelled.masks}
    write_extxyz(tmp_path / "data.xyz", labelled._replace(masks=masks))
    with pytest.warns(UserWarning, match="are masked"):
        found = read(tmp_path / "data.xyz")[[0, 1, 2]]
    assert torch.equal(found.structures.adsorbate, labelled.structures.adsorbate)
    for row in couplings.values():
        keep = masks[row.name][labelled.structures.rows(row.axis)]
        assert torch.equal(found.labels[row.name][keep], labelled.labels[row.name][keep])
        assert found.masks[row.name].tolist() == [True, False, True]


def test_a_label_with_the_wrong_number_of_rows_is_refused(couplings):
    labelled = _make_labelled(couplings)
    labels = {**labelled.labels, "coupling_atom_pair": labelled.labels["coupling_atom_pair"][1:]}
    with pytest.raises(DataError, match="per atom pair"):
        Frames(labelled._replace(labels=labels))


@pytest.mark.parametrize("indices", ["5", "-1", "0 0", "0.5", "a"])
def test_indices_that_are_no_atoms_are_refused(tmp_path, indices):
    path = tmp_path / "data.xyz"
    path.write_text(f'2\nProperties=species:S:1:pos:R:3 friction_indices="{indices}"\nH 0 0 0\nH 0 0 1\n')
    with pytest.raises(DataError, match="no indices of 2 atoms"):
        read(path)


def test_a_list_of_indices_marks_the_adsorbate(tmp_path):
    path = tmp_path / "data.xyz"
    path.write_text('3\nProperties=species:S:1:pos:R:3 friction_indices="2 0"\nH 0 0 0\nH 0 0 1\nH 0 0 2\n')
    assert read(path)[[0]].structures.adsorbate.tolist() == [True, False, True]


def test_marks_that_contradict_each_other_are_refused(tmp_path):
    path = tmp_path / "data.xyz"
    text = '2\nProperties=species:S:1:pos:R:3:adsorbate:L:1 friction_indices="0"\nH 0 0 0 F\nH 0 0 1 T\n'
    path.write_text(text)
    with pytest.raises(DataError, match="contradict"):
        read(path)
