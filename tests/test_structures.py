"""Structures come from ASE and return unchanged, and batches are only bookkeeping."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from hypothesis import given
from hypothesis import strategies as st

from atnn.errors import DataError
from atnn.structures import Structures
from systems import crystal, ethanol, methane, single_atom, slab, two_fragments, water_box

SYSTEMS = {
    "methane": methane,
    "ethanol": ethanol,
    "water": water_box,
    "slab": slab,
    "crystal": crystal,
    "atom": single_atom,
    "fragments": two_fragments,
}


@st.composite
def frames(draw) -> Atoms:
    """Any structure that has a right to exist."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(1, 6))
    frame = Atoms(
        numbers=rng.integers(1, 119, count),
        positions=rng.normal(scale=5.0, size=(count, 3)),
        cell=np.diag(rng.uniform(2.0, 9.0, 3)) + rng.uniform(-0.5, 0.5, (3, 3)),
        pbc=draw(st.tuples(*[st.booleans()] * 3)),
    )
    if draw(st.booleans()):
        frame.info["charge"] = float(rng.integers(-2, 3))
    if draw(st.booleans()):
        frame.info["spin"] = int(rng.integers(0, 4))
    if draw(st.booleans()):
        frame.info["electric_field"] = rng.normal(size=3)
    return frame


def assert_same(first: Atoms, second: Atoms) -> None:
    np.testing.assert_array_equal(first.numbers, second.numbers)
    np.testing.assert_array_equal(first.positions, second.positions)
    np.testing.assert_array_equal(first.cell[:], second.cell[:])
    np.testing.assert_array_equal(first.pbc, second.pbc)


@given(st.lists(frames(), min_size=1, max_size=5))
def test_a_round_trip_through_structures_changes_nothing(originals):
    back = Structures.from_ase(originals).to_ase()
    for original, copy in zip(originals, back, strict=True):
        assert_same(original, copy)
        for key, zero in (("charge", 0.0), ("spin", 0), ("electric_field", np.zeros(3))):
            stated = any(key in frame.info for frame in originals)
            assert (key in copy.info) == stated
            if stated:
                np.testing.assert_array_equal(copy.info[key], original.info.get(key, zero))


@given(st.lists(frames(), min_size=1, max_size=5), st.data())
def test_selection_picks_the_structures_in_the_given_order(originals, data):
    order = data.draw(st.lists(st.integers(-len(originals), len(originals) - 1), min_size=1, max_size=7))
    chosen = Structures.from_ase(originals).select(order)
    assert len(chosen) == len(order)
    for index, copy in zip(order, chosen.to_ase(), strict=True):
        assert_same(originals[index], copy)


@given(st.lists(frames(), min_size=1, max_size=4))
def test_concatenating_single_structures_is_the_batch(originals):
    batch = Structures.from_ase(originals)
    joined = Structures.concatenate(Structures.from_ase(frame) for frame in originals)
    for name in Structures.__slots__:
        first, second = getattr(batch, name), getattr(joined, name)
        assert (first is None and second is None) or torch.equal(first, second)


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
def test_named_systems_are_valid(system):
    atoms = system()
    structures = Structures.from_ase(atoms)
    assert int(structures.counts) == len(atoms)
    assert atoms.get_all_distances(mic=bool(atoms.pbc.any()))[np.triu_indices(len(atoms), 1)].min(initial=9) > 0.5


def test_a_water_box_has_the_density_of_water():
    atoms = water_box(3)
    assert atoms.get_masses().sum() / atoms.get_volume() * 1.66054 == pytest.approx(1.0, abs=0.01)


def test_two_fragments_are_as_far_apart_as_asked():
    atoms = two_fragments(12.5)
    assert np.linalg.norm(atoms.positions[5:].mean(0) - atoms.positions[:5].mean(0)) == pytest.approx(12.5)


def test_volumes_and_counts_are_per_structure():
    batch = Structures.from_ase([crystal(), methane()])
    assert batch.counts.tolist() == [4, 5]
    assert batch.volumes.tolist() == pytest.approx([crystal().get_volume(), 0.0])


def test_selection_by_slice_tensor_and_mask_agree():
    batch = Structures.from_ase([methane(), ethanol(), crystal()])
    mask = torch.tensor([False, True, True])
    for chosen in (
        batch.select(slice(1, 3)),
        batch.select(torch.tensor([1, 2])),
        batch.select(mask),
        batch.select(mask.numpy()),
    ):
        assert chosen.counts.tolist() == [9, 4]
        assert torch.equal(chosen.numbers, batch.numbers[5:])


def test_selecting_nothing_gives_an_empty_batch():
    chosen = Structures.from_ase([methane(), ethanol()]).select([])
    assert len(chosen) == 0 and chosen.positions.shape == (0, 3) and chosen.to_ase() == []


def test_an_index_out_of_range_is_an_error():
    with pytest.raises(IndexError):
        Structures.from_ase(methane()).select([1])


def test_moving_to_float32_keeps_integers_and_none():
    moved = Structures.from_ase(crystal()).to(dtype=torch.float32)
    assert moved.positions.dtype == moved.cell.dtype == torch.float32
    assert moved.numbers.dtype == moved.batch.dtype == torch.int64 and moved.pbc.dtype == torch.bool
    assert moved.charge is None and moved.spin is None and moved.field is None


def test_structures_share_no_memory_with_the_atoms_they_came_from():
    atoms = methane()
    structures = Structures.from_ase(atoms)
    atoms.positions += 1.0
    assert float(structures.positions[0].abs().max()) == 0.0


def test_an_atom_outside_its_cell_stays_where_it_is():
    atoms = Atoms("Ar", positions=[[25.0, -3.0, 1.0]], cell=[4.0] * 3, pbc=True)
    assert Structures.from_ase(atoms).positions.tolist() == [[25.0, -3.0, 1.0]]


def broken(**changes) -> Atoms:
    atoms = crystal()
    for name, value in changes.items():
        getattr(atoms, f"set_{name}")(value)
    return atoms


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (Atoms(), "without atoms"),
        (Atoms("H", cell=[0, 0, 0], pbc=True), "volume"),
        (Atoms("H", cell=[[1, 0, 0], [0, 1, 0], [1, 1, 0]], pbc=True), "volume"),
        (Atoms("H", cell=[3, 0, 0], pbc=(True, True, False)), "zero length"),
        (Atoms("H", cell=[[3, 0, 0], [6, 0, 0], [0, 0, 1]], pbc=(True, True, False)), "parallel"),
        (Atoms("H", positions=[[np.nan, 0, 0]]), "NaN or infinite"),
        (Atoms("H", positions=[[np.inf, 0, 0]]), "NaN or infinite"),
        (broken(cell=np.full((3, 3), np.nan)), "NaN or infinite"),
        (Atoms("X", positions=[[0, 0, 0]]), "atomic number"),
    ],
)
def test_a_frame_that_cannot_be_used_says_which_and_what_to_do(frame, message):
    with pytest.raises(DataError, match=message) as caught:
        Structures.from_ase([methane(), frame])
    assert "structure 1" in caught.value.where and caught.value.remedy


def test_a_field_of_another_shape_is_an_error():
    atoms = methane()
    atoms.info["electric_field"] = 0.1
    with pytest.raises(DataError, match="electric_field"):
        Structures.from_ase(atoms)


def test_no_structures_at_all_is_an_error():
    with pytest.raises(DataError, match="nothing to concatenate"):
        Structures.from_ase([])


def test_a_wrong_shape_is_refused_when_the_hook_is_on(hooked):
    if not hooked:
        pytest.skip("this pytest call runs without --jaxtyping-packages")
    good = Structures.from_ase(methane())
    with pytest.raises(Exception, match=r"(?i)type-check error"):
        good.replace(positions=good.positions[:, :2])
    with pytest.raises(Exception, match=r"(?i)type-check error"):
        good.replace(numbers=good.numbers[:-1])
    with pytest.raises(Exception, match=r"(?i)type-check error"):
        good.atoms_of(torch.zeros((2, 2), dtype=torch.int64))


ODD = st.one_of(  # values that scripts and files put there
    st.text(max_size=5), st.sampled_from([np.nan, np.inf, 2**70, {}, {"a": 1}, [None], [[1], [1, 2]]])
)


@given(ODD, st.sampled_from(["charge", "spin", "electric_field"]))
def test_what_is_stated_is_a_number_or_an_error_that_names_it(value, key):
    atoms = methane()
    atoms.info[key] = value
    try:
        Structures.from_ase(atoms)
    except DataError as error:
        assert key in error.what and "structure 0 (CH4)" in error.where
    else:
        assert np.isfinite(np.asarray(value, dtype=float)).all()


def test_half_an_unpaired_electron_is_refused():
    atoms = methane()
    atoms.info["spin"] = 0.5
    with pytest.raises(DataError, match=r"spin = 0\.5 is no integer"):
        Structures.from_ase(atoms)


@pytest.mark.parametrize("number", [0, -1, 119, 200])
def test_an_atomic_number_without_an_element_is_refused(number):
    atoms = methane()
    atoms.numbers[2] = number
    with pytest.raises(DataError, match=f"atom 2 has the atomic number {number}"):
        Structures.from_ase(atoms)


def test_a_structure_without_atoms_is_an_error():
    with pytest.raises(DataError, match="structure without atoms"):
        Structures.from_ase(Atoms())
