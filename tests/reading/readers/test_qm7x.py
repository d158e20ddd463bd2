"""QM7-X as published: groups of molecules and conformations, doi:10.1038/s41597-021-00812-2."""

from __future__ import annotations

import lzma

import h5py
import numpy as np
import pytest

from atnn.errors import DataError
from atnn.reading import convert, open_dataset, read
from atnn.units import bohr, coulomb

NUMBERS = np.array([8, 1, 1])
WATER = np.array([[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]])
NAMES = ("Geom-m1-i1-c1-d2", "Geom-m1-i1-c1-d10", "Geom-m1-i1-c1-opt")


def write_conformation(group: h5py.Group, name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    conformation = group.create_group(name)
    tensor = rng.normal(size=(3, 3)) * 0.3
    values = {
        "atNUM": NUMBERS, "atXYZ": WATER + 0.01 * rng.normal(size=(3, 3)), "ePBE0+MBD": np.array([-2080.0 - seed]),
        "eAT": np.array([-10.0]), "totFOR": rng.normal(size=(3, 3)), "vDIP": rng.normal(size=3),
        "DIP": np.array([0.5]), "mPOL": np.array([9.0]), "hCHG": np.array([-0.3, 0.15, 0.15]),
        "mTPOL": (9 * np.eye(3) + tensor + tensor.T).ravel(), "hVDIP": rng.normal(size=(3, 3)),
    }  # fmt: skip
    for key, value in values.items():
        conformation[key] = value


@pytest.fixture
def path(tmp_path):
    result = tmp_path / "1000.hdf5"
    with h5py.File(result, "w") as file:
        for molecule in ("10", "2"):
            group = file.create_group(molecule)
            for seed, name in enumerate(NAMES):
                write_conformation(group, name, seed + int(molecule))
    return result


def test_labels_have_the_units_of_the_paper(path):
    data = read(path)
    assert len(data) == 6
    with h5py.File(path) as file:
        first = {key: value[()] for key, value in file["2"]["Geom-m1-i1-c1-opt"].items()}
    batch = data[[0]]
    assert np.array_equal(batch.structures.positions, first["atXYZ"])
    assert batch.structures.numbers.tolist() == NUMBERS.tolist()
    assert batch.labels["energy"].tolist() == first["ePBE0+MBD"].tolist()
    assert np.array_equal(batch.labels["forces"], first["totFOR"])
    assert np.array_equal(batch.labels["dipole"][0], first["vDIP"])
    assert batch.labels["charges"].tolist() == first["hCHG"].tolist()
    assert np.allclose(batch.labels["polarizability"][0], first["mTPOL"].reshape(3, 3) * bohr**3 / coulomb)


def test_equilibrium_comes_first_and_numbers_have_their_order(path):
    energies = read(path)[:].labels["energy"].tolist()
    assert energies == [-2080 - n for n in (2 + 2, 2, 3, 10 + 2, 10, 11)]  # 2 before 10; opt, d2, d10


def test_what_is_not_read_is_counted(path):
    unread = read(path).summary.unread
    assert unread["hVDIP"] == 6 and unread["mPOL"] == 6 and unread["eAT"] == 6


def test_it_is_converted_to_a_store_and_the_store_is_one(path, tmp_path):
    assert len(convert(path, tmp_path / "a.h5")) == 6
    assert len(open_dataset([tmp_path / "a.h5"])) == 6


def test_the_compressed_file_says_how_to_decompress_it(path, tmp_path):
    (tmp_path / "1000.xz").write_bytes(lzma.compress(path.read_bytes()))
    with pytest.raises(DataError, match="is compressed") as caught:
        read(tmp_path / "1000.xz")
    assert "xz --decompress --keep --stdout 1000.xz > 1000.hdf5" in caught.value.remedy


def test_other_hdf5_is_neither_a_store_nor_qm7x(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.arange(3)
    with pytest.raises(DataError, match="neither a store nor QM7-X"):
        read(tmp_path / "a.h5")


def test_a_link_to_another_file_is_not_followed(path, tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["atXYZ"] = WATER
    with h5py.File(path, "a") as file:
        conformation = file["2"][NAMES[1]]
        del conformation["atXYZ"]
        conformation["atXYZ"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "atXYZ")
    with pytest.raises(DataError, match="atXYZ is a link to another place") as caught:
        read(path)
    assert NAMES[1] in caught.value.where


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("atXYZ", None, "there is no atXYZ"),
        ("atXYZ", WATER[:2], r"atXYZ has the shape \(2, 3\)"),
        ("totFOR", np.zeros((3, 2)), "'totFOR' has the shape"),
        ("vDIP", np.full(3, np.nan), "'vDIP' holds NaN"),
        ("atNUM", np.array([b"O", b"H", b"H"]), "holds no numbers"),
    ],
)
def test_damaged_conformations_are_named(path, key, value, message):
    with h5py.File(path, "a") as file:
        conformation = file["10"][NAMES[0]]
        del conformation[key]
        if value is not None:
            conformation[key] = value
    with pytest.raises(DataError, match=message) as caught:
        read(path)
    assert f"10/{NAMES[0]}" in caught.value.where


def test_a_dataset_that_claims_to_be_huge_is_refused(path):
    with h5py.File(path, "a") as file:
        file["2"][NAMES[0]].create_dataset("huge", shape=(1 << 40,), dtype="f8", chunks=(1 << 20,))
    with pytest.raises(DataError, match="too large for a molecule"):
        read(path)


def test_a_truncated_file_is_an_error(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="cannot be read"):
        read(path, format="qm7x")
