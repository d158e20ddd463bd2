"""Archives in the style of MD17 and rMD17."""

from __future__ import annotations

import numpy as np
import pytest

from atnn.errors import DataError
from atnn.reading import read
from atnn.units import kcal_per_mol

UNITS = {"energy": "kcal/mol", "length": "Angstrom"}
Z = np.array([8, 1, 1])
R = np.array([[0, 0, 0.1], [0, 0.76, -0.47], [0, -0.76, -0.47]]) + np.linspace(0, 0.1, 4)[:, None, None] ** [1, 2, 3]
E = np.arange(4.0)
F = np.random.default_rng(0).normal(size=(4, 3, 3))


@pytest.mark.parametrize(
    "names",
    [("R", "z", "E", "F"), ("coords", "nuclear_charges", "energies", "forces"), ("R", "Z", "E", "F")],
    ids=["MD17", "rMD17", "Z"],
)
@pytest.mark.parametrize("column", [False, True])
def test_both_spellings_are_read(tmp_path, names, column):
    content = dict(zip(names, (R, Z, E[:, None] if column else E, F), strict=True))
    np.savez(tmp_path / "a.npz", **content, name=np.array("water"), old_indices=np.arange(4))
    data = read(tmp_path / "a.npz", units=UNITS)
    assert np.array_equal(data[[2]].structures.positions, R[2])
    assert data[:].structures.numbers.tolist() == [8, 1, 1] * 4
    assert np.allclose(data[:].labels["energy"], E * kcal_per_mol)
    assert np.allclose(data[[3]].labels["forces"], F[3] * kcal_per_mol)
    assert "old_indices" in data.summary.unread


def test_molecules_of_different_size_are_padded_with_zeros(tmp_path):
    numbers = np.tile(Z, (4, 1))
    numbers[1, 2] = 0
    np.savez(tmp_path / "a.npz", R=R, z=numbers, E=E, F=F)
    batch = read(tmp_path / "a.npz", units=UNITS)[[1]]
    assert batch.structures.numbers.tolist() == [8, 1]
    assert np.allclose(batch.labels["forces"], F[1, :2] * kcal_per_mol)


def test_a_cell_means_periodic(tmp_path):
    np.savez(tmp_path / "a.npz", R=R + 3, z=Z, E=E, cell=np.eye(3) * 10)
    structures = read(tmp_path / "a.npz", units=UNITS)[:].structures
    assert structures.pbc.all() and np.array_equal(structures.cell[3], np.eye(3) * 10)


def test_units_have_to_be_declared(tmp_path):
    np.savez(tmp_path / "a.npz", R=R, z=Z, E=E)
    with pytest.raises(DataError, match="the format npz does not state units"):
        read(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"z": Z, "E": E}, "no array of positions"),
        ({"R": R, "E": E}, "no array of atomic numbers"),
        ({"R": R, "z": Z[:2], "E": E}, "do not fit"),
        ({"R": R, "z": Z, "F": F[:, :, :2]}, "'F' has the shape"),
    ],
)
def test_archives_that_lack_something_are_an_error(tmp_path, content, message):
    np.savez(tmp_path / "a.npz", **content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / "a.npz", units=UNITS)


def test_pickled_objects_are_never_loaded(tmp_path):
    np.savez(tmp_path / "a.npz", R=R, z=np.array([{}, {}, {}], dtype=object))
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path / "a.npz", units=UNITS)


def test_a_truncated_archive_is_an_error(tmp_path):
    np.savez(tmp_path / "a.npz", R=R, z=Z)
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path / "a.npz", units=UNITS)


def test_born_charges_and_polarizabilities_keep_their_axes(tmp_path):
    rng = np.random.default_rng(0)
    born, positions = rng.normal(size=(2, 3, 3, 3)), np.array([[0, 0, 0.1], [0, 0.76, -0.47], [0, -0.76, -0.47]])
    alpha = np.tile(np.diag([0.1, 0.11, 0.12]), (2, 1, 1))
    positions = positions + np.array([[[0.0]], [[0.1]]])
    np.savez(tmp_path / "a.npz", R=positions, z=[8, 1, 1], born_charges=born, polarizability=alpha)
    batch = read(tmp_path / "a.npz", units={"energy": "eV", "length": "Angstrom"})[:]
    np.testing.assert_array_equal(batch.labels["born_charges"], born.reshape(6, 3, 3))
    np.testing.assert_allclose(batch.labels["polarizability"], alpha)
