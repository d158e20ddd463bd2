"""Impossible geometries are errors, odd ones are counted warnings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk

from atnn.data import Frames, inspect
from atnn.data.checks import Checks
from atnn.data.geometries import hash_geometries
from atnn.errors import AtnnWarning, DataError
from atnn.reading import read
from atnn.structures import Labelled, Structures


def labelled(*atoms, **changes):
    return Labelled(Structures.from_ase(atoms).replace(**changes), {}, {})


def finding(data, kind):
    return inspect(Frames(data)).finding(kind)


def test_two_identical_frames_are_counted_and_named(water_file):
    path = water_file("energy=1", "energy=2")
    path.write_text(path.read_text() + path.read_text())
    with pytest.warns(AtnnWarning, match=r"2 frames: identical to an earlier frame.*frame 2, 3"):
        read(path)


def test_the_same_positions_with_another_charge_or_field_are_no_duplicate():
    water = Atoms("OH2", [[0, 0, 0.1], [0, 0.76, -0.47], [0, -0.76, -0.47]])
    for key, value in (("charge", 1), ("spin", 1), ("electric_field", [0, 0, 0.1])):
        other = water.copy()
        other.info[key] = value
        assert finding(labelled(water, other), "duplicates") is None
    assert finding(labelled(water, water), "duplicates").count == 1


def test_minus_zero_is_zero():
    a, b = Atoms("H", [[0.0, 0, 0]]), Atoms("H", [[-0.0, 0, 0]])
    assert len(set(hash_geometries(labelled(a, b).structures))) == 1


def test_atoms_outside_the_cell_are_counted_and_left_where_they_are(water_file):
    path = water_file('energy=1 pbc="F F T" Lattice="9 0 0 0 9 0 0 0 9"')
    with pytest.warns(AtnnWarning, match="2 atoms lie outside the periodic cell; positions are kept"):
        data = read(path)
    assert data[[0]].structures.positions[1].tolist() == [0.0, 0.76, -0.47]


def test_only_periodic_directions_have_an_outside():
    slab = Atoms("H2", [[1, 1, -4.0], [1, 1, 12.0]], cell=[3, 3, 10], pbc=[True, True, False])
    assert finding(labelled(slab), "outside") is None
    slab.pbc = True
    assert finding(labelled(slab), "outside").count == 1


def test_a_periodic_cell_without_volume_is_an_error(water_file):
    with pytest.raises(DataError, match="periodic structure whose cell has the volume") as caught:
        read(water_file("energy=1", 'energy=1 pbc="T T T" Lattice="9 0 0 9 0 0 0 0 9"'))
    assert "frame 1" in caught.value.where
    with pytest.raises(DataError, match="volume"):
        read(water_file('energy=1 pbc="T T T"'))


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_positions_that_are_not_finite_are_an_error(water_file, value):
    path = water_file("energy=1", "energy=2")
    path.write_text(path.read_text()[::-1].replace("67.0", value[::-1], 1)[::-1])
    with pytest.raises(DataError, match="positions are NaN, infinite") as caught:
        read(path)
    assert "frame 1" in caught.value.where


def test_close_contacts_are_found_through_the_boundary_too():
    # 0.2 Angstrom apart across the periodic boundary
    pair = Atoms("H2", [[0.1, 1, 1], [2.9, 1, 1]], cell=[3, 3, 10], pbc=[True, False, False])
    far = Atoms("H2", [[0.1, 1, 1], [2.9, 1, 1]], cell=[3, 3, 10], pbc=False)
    found = finding(labelled(far, pair), "contacts")
    assert found.count == 1 and found.frames == (1,) and "0.200 Angstrom" in found.text


@pytest.mark.parametrize("seed", range(3))
def test_the_shortest_distance_equals_ase(seed):
    crystal = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    crystal.rattle(0.3, seed=seed)
    distances = crystal.get_all_distances(mic=True)
    checks = Checks()
    checks.add(labelled(crystal))
    assert checks.shortest == pytest.approx(distances[distances > 0].min(), abs=1e-10)


@pytest.mark.parametrize("pbc", [(True, False, False), (True, True, False), (False, False, False)])
def test_lattice_vectors_may_be_absent_where_nothing_is_periodic(pbc):
    cell = np.diag([3.0, 3.0, 3.0]) * np.array(pbc)[:, None]
    checks = Checks()
    checks.add(labelled(Atoms("H2", [[0.5, 1, 1], [1.25, 1, 1]], cell=cell, pbc=pbc)))
    assert checks.shortest == pytest.approx(0.75)


def test_force_outliers_are_counted():
    atoms = [Atoms("H2", [[0, 0, 0], [0, 0, 0.7 + 0.01 * k]]) for k in range(20)]
    forces = torch.ones(40, 3, dtype=torch.float64)
    forces[14] = 50.0
    data = Labelled(Structures.from_ase(atoms), {"forces": forces}, {"forces": torch.ones(20, dtype=torch.bool)})
    found = finding(data, "forces")
    assert found.count == 1 and found.frames == (7,) and "86.6 eV/Angstrom" in found.text


@pytest.mark.parametrize(("stated", "excess", "count"), [(1, 0.0, 0), (1, 0.009, 0), (1, -0.02, 3), (None, 0.0, 3)])
def test_charges_that_do_not_sum_to_the_total_charge_are_counted(stated, excess, count):
    structures = Structures.from_ase([Atoms("OH3", np.eye(4, 3)) for _ in range(4)])
    structures = structures.replace(charge=None if stated is None else torch.full((4,), float(stated)).double())
    charges = torch.tensor([-0.5, 0.5, 0.5, 0.5 + excess]).double().repeat(4)
    data = Labelled(structures, {"charges": charges}, {"charges": torch.tensor([False, True, True, True])})
    found = finding(data, "charges")
    assert (0 if found is None else found.count) == count
    if found is not None:
        assert found.frames == (1, 2, 3) and f"up to {abs(excess) or 1.0:.3g} e" in found.text


def test_forces_that_are_all_zero_are_suspicious(water_file):
    with pytest.warns(AtnnWarning, match="forces are exactly zero in every frame"):
        read(water_file("energy=1", columns=":forces:R:3", values="0 0 0"))


def test_isolated_atoms_have_zero_forces_by_right():
    atom = Structures.from_ase(Atoms("H", [[0, 0, 0]]))
    data = Labelled(atom, {"forces": torch.zeros(1, 3)}, {"forces": torch.ones(1, dtype=torch.bool)})
    assert inspect(Frames(data)).findings == ()
