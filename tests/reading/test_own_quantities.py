"""A row that a user adds to the table goes the whole way: read, converted, stored, split, shown and written."""

from __future__ import annotations

import numpy as np
import pytest
from rich.console import Console

from atnn.data import Frames, Store, data_hash, inspect, render, select, write_extxyz
from atnn.errors import AtnnWarning, DataError
from atnn.quantities import QUANTITIES, Quantity
from atnn.reading import convert, read, recognition, split_files
from atnn.units import CHARGE, ENERGY, LENGTH, bohr, coulomb, hartree

NINE = np.array([[1.0, 0.1, 0.2], [0.1, 2.0, 0.3], [0.2, 0.3, 3.0]])
SIX = "1 2 3 0.3 0.2 0.1"  # xx yy zz yz xz xy
ATOMIC = bohr**2 / hartree
WATER = np.array([[0, 0, 0.1], [0, 0.76, -0.47], [0, -0.76, -0.47]])


@pytest.fixture
def add_row(monkeypatch):
    """Adds rows to the table, which is as before afterwards."""
    return lambda name, **columns: monkeypatch.setitem(QUANTITIES, name, Quantity(name, **columns))


@pytest.fixture(autouse=True)
def polarizability(add_row, monkeypatch):
    # the numbers here are no polarizabilities of water
    monkeypatch.setattr(recognition, "judge_polarizability", lambda *_: None)
    add_row(
        "polarizability", axis="structure", shape=(3, 3), dimension=CHARGE**2 * LENGTH**2 / ENERGY, extensive=True,
        rank=2, parity=1, symmetric=True, keys=("alpha",), display=("Angstrom^3", coulomb),
    )  # fmt: skip


def text_of(numbers) -> str:
    return " ".join(map(repr, np.ravel(numbers).tolist()))


@pytest.mark.parametrize("numbers", [text_of(NINE), SIX], ids=["nine", "six"])
@pytest.mark.parametrize("key", ["polarizability", "alpha"])
def test_nine_numbers_or_six_are_recognised_in_extended_xyz(water_file, numbers, key):
    data = read(water_file(f'energy=1 {key}="{numbers}"'))
    assert data[[0]].labels["polarizability"][0].tolist() == NINE.tolist()
    assert data.summary.labels["polarizability"].key == key
    assert data.summary.labels["polarizability"].unit == "e^2*Angstrom^2/eV"


@pytest.mark.parametrize(
    ("units", "unit"),
    [
        ({"energy": "hartree", "length": "bohr"}, "e^2*bohr^2/hartree"),
        ({"energy": "au", "length": "au"}, "e^2*bohr^2/hartree"),
        ({"polarizability": "au"}, "au"),
    ],
)
def test_declared_units_hold_for_it_too(water_file, units, unit):
    data = read(water_file(f'alpha="{SIX}"'), units=units)
    assert data[[0]].labels["polarizability"][0].numpy() == pytest.approx(NINE * ATOMIC, rel=1e-12)
    assert data.summary.labels["polarizability"].unit == unit


def test_an_asymmetric_one_is_symmetrised_with_a_warning(water_file):
    with pytest.warns(AtnnWarning, match="polarizability of 1 frames was not symmetric"):
        batch = read(water_file('alpha="1 0.1 0 0 1 0 0 0 1"'))[[0]]
    assert batch.labels["polarizability"][0, 0, 1] == 0.05


def test_an_archive_of_molecules_with_three_atoms_keeps_vectors_and_tensors_whole(tmp_path):
    dipoles = np.arange(6.0).reshape(2, 3)
    moved = WATER + np.array([[[0.0]], [[0.1]]])
    np.savez(tmp_path / "a.npz", R=moved, z=[8, 1, 1], alpha=np.stack([NINE, 2 * NINE]), dipoles=dipoles)
    batch = read(tmp_path / "a.npz", units={"energy": "hartree", "length": "bohr"})[:]
    assert batch.labels["polarizability"].numpy() == pytest.approx(np.stack([NINE, 2 * NINE]) * ATOMIC)
    assert batch.labels["dipole"].numpy() == pytest.approx(dipoles * bohr)


def test_fireann_gives_it_with_the_opposite_sign(tmp_path):
    lines = ["point= 0", "9 0 0", "0 9 0", "0 0 9", "pbc 0 0 0", f"Energy='-5.5' POL='{text_of(-NINE)}'"]
    (tmp_path / "configuration").write_text("\n".join([*lines, "H 1.008 0 0 0.1", "External_field: 0 0 0", ""]))
    batch = read(tmp_path / "configuration", units={"energy": "eV", "length": "Angstrom"})[[0]]
    assert batch.labels["polarizability"][0].tolist() == NINE.tolist()


@pytest.mark.parametrize("width", [9, 6])
def test_tensors_of_atoms_are_read_from_columns_and_folders(add_row, water_file, tmp_path, width):
    add_row("quadrupoles", axis="atom", shape=(3, 3), dimension=CHARGE * LENGTH**2, extensive=False, rank=2, parity=1,
            symmetric=True, keys=("atomic_quadrupoles",))  # fmt: skip
    numbers = SIX if width == 6 else text_of(NINE)
    data = read(water_file("energy=1", columns=f":atomic_quadrupoles:R:{width}", values=numbers))
    assert data[[0]].labels["quadrupoles"].tolist() == [NINE.tolist()] * 3
    folder = tmp_path / "system" / "set.000"
    folder.mkdir(parents=True)
    (folder.parent / "type.raw").write_text("0 1 1")
    (folder.parent / "type_map.raw").write_text("O H")
    (folder.parent / "nopbc").touch()
    np.save(folder / "coord.npy", WATER.reshape(1, 9))
    np.save(folder / "quadrupoles.npy", np.tile(np.array(numbers.split(), dtype=float), 3)[None])
    np.save(folder / "real_atom_types.npy", [[0, 1, -1]])
    assert read(folder.parent)[[0]].labels["quadrupoles"].tolist() == [NINE.tolist()] * 2


def test_it_is_stored_split_summarised_inspected_and_written(water_file, assert_same, tmp_path):
    comments = [f'energy={k} alpha="{text_of(NINE * (1 + k))}"' for k in range(4)]
    path = water_file(*comments, "energy=5 smell=none")
    with pytest.warns(AtnnWarning, match="1 of 5 frames have no polarizability"):
        store = convert(path, tmp_path / "a.h5", units={"energy": "hartree", "length": "bohr"})
    store = Store(store.path)
    store.verify()
    batch = store[:]
    assert batch.masks["polarizability"].tolist() == [True] * 4 + [False]
    assert batch.labels["polarizability"][3].numpy() == pytest.approx(4 * NINE * ATOMIC)
    assert data_hash(store) == data_hash(Frames(batch))
    label = store.summary.labels["polarizability"]
    assert (label.count, label.missing, label.maximum) == (4, 1, pytest.approx(12 * ATOMIC))

    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(render(inspect(store)))
    console.file.close()
    shown = console.export_text()
    assert "polarizability" in shown and "e^2*bohr^2/hartree" in shown and "4 of 5" in shown

    write_extxyz(tmp_path / "b.xyz", select(batch, range(4)))
    assert_same(read(tmp_path / "b.xyz")[:], select(batch, range(4)))
    files = split_files(tmp_path / "b.xyz", {"train": 0.5, "test": 0.5}, 0, tmp_path)
    found = sorted(float(v) for file in files for v in read(file)[:].labels["polarizability"][:, 2, 2])
    assert found == pytest.approx([3 * (1 + k) * ATOMIC for k in range(4)])


def test_a_store_whose_row_was_not_added_says_which_row(water_file, tmp_path, monkeypatch):
    store = convert(water_file(f'alpha="{SIX}"'), tmp_path / "a.h5")
    monkeypatch.delitem(QUANTITIES, "polarizability")
    with pytest.raises(DataError, match="'polarizability', which is not in the table"):
        Store(store.path)


def test_a_key_of_another_row_is_an_error_until_it_is_declared(add_row, water_file):
    add_row("transition", axis="structure", shape=(3,), dimension=CHARGE * LENGTH, extensive=True, rank=1, parity=-1,
            keys=("mu",))  # fmt: skip
    path = water_file('mu="0 0 1"')
    with pytest.raises(DataError, match="the key 'mu' may be dipole or transition"):
        read(path)
    assert set(read(path, keys={"transition": "mu"}).summary.labels) == {"transition"}


def test_shieldings_are_in_ppm_in_files_too(water_file):
    path = water_file("energy=1", columns=":shieldings:R:9", values="30 0 0 0 31 0 0 0 32")
    for units in (None, {"shieldings": "ppm"}):
        found = read(path, units=units)[[0]].labels["shieldings"]
        assert found[2].diagonal().tolist() == [30.0, 31.0, 32.0]
    with pytest.raises(DataError, match="unknown unit '1' for shieldings; known: ppm"):
        read(path, units={"shieldings": "1"})
