"""Pairs of structures and reference energies as the Open Catalyst Project publishes them."""

from __future__ import annotations

import lzma
import pickle

import numpy as np
import pytest

from atnn.errors import DataError
from atnn.reading import read

PROPERTIES = "species:S:1:pos:R:3:move_mask:L:1:tags:I:1:forces:R:3"
ATOMS = ["Cu 0 0 0 F 0 0.0 0.0 0.0", "Cu 1.8 1.8 0 T 1 0.1 0.0 -0.1", "H 0.9 0.9 {} T 2 -0.1 0.0 0.1"]


def structures(*energies: float) -> bytes:
    lattice = 'Lattice="3.6 0 0 0 3.6 0 0 0 20" pbc="T T T"'
    frames = []
    for energy in energies:  # of which each has its own height of the hydrogen
        comment = f"{lattice} Properties={PROPERTIES} energy={energy} free_energy={energy - 0.5}"
        frames.append("\n".join(["3", comment, *ATOMS, ""]).format(1.2 - energy / 50))
    return "".join(frames).encode()


@pytest.fixture
def folder(tmp_path):
    for name, energies in (("10", (-7.0,)), ("2", (-5.0, -6.0))):
        (tmp_path / f"{name}.extxyz.xz").write_bytes(lzma.compress(structures(*energies)))
        text = "".join(f"random{index},{index},-4.25\n" for index in range(len(energies)))
        (tmp_path / f"{name}.txt.xz").write_bytes(lzma.compress(text.encode()))
    return tmp_path


def test_energies_are_those_of_adsorption(folder):
    data = read(folder / "2.extxyz.xz")
    batch = data[:]
    assert batch.labels["energy"].tolist() == [-0.75, -1.75]
    assert batch.labels["forces"][1].tolist() == [0.1, 0.0, -0.1]
    assert batch.structures.adsorbate.tolist() == [False, False, True] * 2
    assert batch.structures.fixed.tolist() == [True, False, False] * 2
    assert batch.structures.pbc.all()
    assert {"raw_energy", "raw_free_energy", "reference_energy", "system_id", "frame"} <= set(data.summary.unread)


def test_total_energies_are_declared(folder):
    energies = read(folder / "2.extxyz.xz", keys={"energy": "raw_energy"})[:].labels["energy"]
    assert energies.tolist() == [-5.0, -6.0]


def test_a_folder_is_read_in_the_order_of_its_numbers(folder):
    assert read(folder)[:].labels["energy"].tolist() == [-0.75, -1.75, -2.75]


def test_without_a_text_beside_it_the_file_is_extended_xyz(folder):
    (folder / "2.txt.xz").unlink()
    assert read(folder / "2.extxyz.xz")[:].labels["energy"].tolist() == [-5.5, -6.5]  # forces are of the free energy
    with pytest.raises(DataError, match="no text with reference energies") as caught:
        read(folder)
    assert "2.txt.xz" in caught.value.remedy


def test_decompressed_pairs_are_read(folder):
    for name in ("2.extxyz", "2.txt"):
        (folder / name).write_bytes(lzma.decompress((folder / f"{name}.xz").read_bytes()))
        (folder / f"{name}.xz").unlink()
    assert np.array_equal(read(folder / "2.extxyz")[:].labels["energy"], [-0.75, -1.75])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,0,-4.25\n", "has more structures than 2.txt.xz, which ends after 1"),
        ("a,0,-4.25\na,1,-4.25\na,2,-4.25\n", "has more structures than 2.extxyz.xz, which ends after 2"),
        ("a,0\nb,1\n", "cannot be read"),
        ("a,0,x\nb,1,-4\n", "cannot be read"),
    ],
)
def test_texts_that_do_not_fit_are_an_error(folder, text, message):
    (folder / "2.txt.xz").write_bytes(lzma.compress(text.encode()))
    with pytest.raises(DataError, match=message):
        read(folder / "2.extxyz.xz")


@pytest.mark.parametrize("name", ["data.0001.lmdb", "folder"])
def test_lmdb_is_refused_and_the_way_is_named(tmp_path, name):
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
    file = path / "data.mdb" if path.is_dir() else path
    file.write_bytes(pickle.dumps({"y": 1.0}))
    with pytest.raises(DataError, match="are pickles") as caught:
        read(path)
    assert ".extxyz.xz" in caught.value.remedy and "atnn data get" in caught.value.remedy
