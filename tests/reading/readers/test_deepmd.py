"""DeePMD folders of npy files."""

from __future__ import annotations

import numpy as np
import pytest

from atnn.errors import AtnnWarning, DataError
from atnn.reading import read


@pytest.fixture
def system(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "system"
    arrays = {}
    for index, count in enumerate((3, 2)):
        own = folder / f"set.{index:03d}"
        own.mkdir(parents=True)
        base = np.array([[1.0, 1, 1], [2, 1, 1], [1, 2, 1]])
        arrays[index] = {
            "coord": (base + rng.normal(0, 0.05, (count, 3, 3))).reshape(count, 9),
            "box": np.tile(np.diag([8.0, 9, 10]).reshape(9), (count, 1)),
            "energy": rng.normal(size=count),
            "force": rng.normal(size=(count, 9)),
            "virial": (lambda w: (w + w.transpose(0, 2, 1)).reshape(count, 9))(rng.normal(size=(count, 3, 3))),
            "atom_dipole": rng.normal(size=(count, 9)),
        }
        for name, array in arrays[index].items():
            np.save(own / f"{name}.npy", array)
    (folder / "type.raw").write_text("1\n0\n0\n")
    (folder / "type_map.raw").write_text("H\nO\n")
    return folder, arrays


def test_all_sets_are_read_in_order(system):
    folder, arrays = system
    data = read(folder)
    assert len(data) == 5
    for index, (own, frame) in enumerate([(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]):
        batch, truth = data[[index]], {name: array[frame] for name, array in arrays[own].items()}
        assert batch.structures.numbers.tolist() == [8, 1, 1]
        assert np.array_equal(batch.structures.positions, truth["coord"].reshape(3, 3))
        assert np.array_equal(batch.structures.cell[0], truth["box"].reshape(3, 3)) and batch.structures.pbc.all()
        assert batch.labels["energy"][0] == truth["energy"]
        assert np.array_equal(batch.labels["forces"], truth["force"].reshape(3, 3))
        assert np.allclose(batch.labels["virial"][0], truth["virial"].reshape(3, 3))
    assert data.summary.unread == {"atom_dipole": 5}


def test_systems_below_a_folder_are_found(system):
    assert len(read(system[0].parent)) == 5


def test_nopbc_means_a_molecule(system):
    folder, _ = system
    (folder / "nopbc").touch()
    structures = read(folder)[:].structures
    assert not structures.pbc.any() and not structures.cell.any()


def test_mixed_types_are_read_without_their_padding(system):
    folder, arrays = system
    for own, content in arrays.items():
        types = np.tile([1, 0, -1], (len(content["energy"]), 1))
        np.save(folder / f"set.{own:03d}" / "real_atom_types.npy", types)
    batch = read(folder)[[3]]
    assert batch.structures.numbers.tolist() == [8, 1]
    assert np.array_equal(batch.labels["forces"], arrays[1]["force"][0].reshape(3, 3)[:2])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "type_map.raw").unlink(), "no type_map.raw"),
        (lambda f: (f / "type_map.raw").write_text("H\nQq"), "'Qq' is not a chemical symbol"),
        (lambda f: (f / "type.raw").write_text("0\n1"), "do not fit together"),
        (lambda f: (f / "type.raw").write_text("0\n1\n2"), "do not fit together"),
        (lambda f: (f / "set.000" / "box.npy").unlink(), "no box.npy"),
        (lambda f: np.save(f / "set.000" / "energy.npy", np.zeros(2)), "energy.npy has 2 frames, coord.npy 3"),
        (lambda f: (f / "set.000" / "force.npy").write_bytes(b"\x93NUMPY"), "cannot be read"),
        (lambda f: np.save(f / "set.000" / "energy.npy", np.array([1, np.nan, 2])), "NaN"),
    ],
)
def test_what_does_not_fit_is_an_error(system, damage, message):
    damage(system[0])
    with pytest.raises(DataError, match=message):
        read(system[0])


def test_a_set_without_forces_is_masked_and_counted(system):
    (system[0] / "set.001" / "force.npy").unlink()
    with pytest.warns(AtnnWarning, match="2 of 5 frames have no forces"):
        data = read(system[0])
    assert data.labelled.masks["forces"].tolist() == [True] * 3 + [False] * 2


def test_tensors_of_structures_and_of_atoms_are_rows_of_nine(system):
    folder, _ = system
    alpha = np.outer(1 + 0.01 * np.arange(5), [0.1, 0.01, 0.02, 0.01, 0.11, 0.03, 0.02, 0.03, 0.12])
    born = np.random.default_rng(1).normal(size=(5, 27))
    for index, rows in ((0, slice(0, 3)), (1, slice(3, 5))):
        np.save(folder / f"set.{index:03d}" / "polarizability.npy", alpha[rows])
        np.save(folder / f"set.{index:03d}" / "born_charges.npy", born[rows])
    batch = read(folder)[:]
    np.testing.assert_allclose(batch.labels["polarizability"], alpha.reshape(5, 3, 3), rtol=1e-12)
    np.testing.assert_array_equal(batch.labels["born_charges"], born.reshape(15, 3, 3))
