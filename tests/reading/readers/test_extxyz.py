"""Extended XYZ: what ASE reads, read the same; what is broken, named."""

from __future__ import annotations

import gzip
import lzma

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from atnn.errors import AtnnWarning, DataError
from atnn.reading import read


@pytest.fixture
def ase_frames():
    rng = np.random.default_rng(0)
    frames = []
    for size in (3, 5):
        atoms = Atoms("OHCNH"[:size], rng.random((size, 3)) * 2 + np.arange(size)[:, None] + 1, pbc=[True, True, False])
        atoms.cell = np.eye(3) * 12 + rng.normal(0, 0.3, (3, 3))
        stress = rng.normal(0, 1, 6)
        atoms.calc = SinglePointCalculator(
            atoms, energy=rng.normal(), forces=rng.normal(0, 1, (size, 3)), stress=stress, dipole=rng.normal(0, 1, 3)
        )
        atoms.info["total_charge"] = size - 3
        frames.append(atoms)
    return frames


@pytest.mark.parametrize("name", ["a.xyz", "a.extxyz", "a.xyz.gz"])
def test_a_file_written_by_ase_means_what_ase_means(tmp_path, ase_frames, name):
    path = tmp_path / name
    ase.io.write(path, ase_frames, format="extxyz")
    data = read(path)
    for index, atoms in enumerate(ase.io.read(path, ":", format="extxyz")):
        batch = data[[index]]
        assert np.array_equal(batch.structures.positions, atoms.positions)
        assert np.array_equal(batch.structures.cell[0], atoms.cell)
        assert np.array_equal(batch.structures.pbc[0], atoms.pbc)
        assert np.array_equal(batch.structures.numbers, atoms.numbers)
        assert batch.labels["energy"][0] == atoms.get_potential_energy()
        assert np.array_equal(batch.labels["forces"], atoms.get_forces())
        assert np.allclose(batch.labels["stress"][0], atoms.get_stress(voigt=False), atol=1e-12)
        assert np.array_equal(batch.labels["dipole"][0], atoms.get_dipole_moment())
        assert batch.structures.charge.tolist() == [atoms.info["total_charge"]]


def test_six_numbers_of_a_stress_are_in_voigt_order(water_file):
    batch = read(water_file('stress="1 2 3 4 5 6" pbc="F F F"'))[[0]]
    assert batch.labels["stress"][0].tolist() == [[1, 6, 5], [6, 2, 4], [5, 4, 3]]


def test_an_asymmetric_virial_is_symmetrised_with_a_warning(water_file):
    with pytest.warns(AtnnWarning, match="virial of 1 frames was not symmetric"):
        batch = read(water_file('virial="1 2 0 0 1 0 0 0 1"'))[[0]]
    assert batch.labels["virial"][0, 0, 1] == batch.labels["virial"][0, 1, 0] == 1.0


def test_a_lattice_means_periodic_and_none_means_a_molecule(water_file):
    with pytest.warns(AtnnWarning, match="1 atoms lie outside the periodic cell"):
        structures = read(water_file('Lattice="9 0 0 1 9 0 0 0 9" pbc="F T F"'))[[0]].structures
    assert structures.pbc[0].tolist() == [False, True, False]
    with pytest.warns(AtnnWarning, match="2 atoms lie outside the periodic cell"):
        structures = read(water_file('Lattice="9 0 0 1 9 0 0 0 9"'))[[0]].structures
    assert structures.pbc.all()
    assert structures.cell[0].tolist() == [[9, 0, 0], [1, 9, 0], [0, 0, 9]]
    assert not read(water_file("energy=1"))[[0]].structures.pbc.any()


def test_partial_charges_and_total_charge_are_told_apart(water_file):
    data = read(water_file("charge=0.75", columns=":charge:R:1", values="0.25"))
    assert data[[0]].structures.charge.tolist() == [0.75]
    assert data[[0]].labels["charges"].tolist() == [0.25] * 3


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "ends after|columns"),
        (lambda text: text.replace("H 0.0 0.76", "H 0.76"), "atom 1 has 3 columns, Properties promise 4"),
        (lambda text: text.replace("0.76", "0.7.6"), "could not convert"),
        (lambda text: text.replace("O 0.0", "Xx 0.0"), "'Xx' is not a chemical symbol"),
        (lambda text: text.replace("3\n", "2\n", 1), "expected the number of atoms"),
        (lambda text: text.replace("pos:R:3", "xyz:R:3"), "no column pos"),
        (lambda text: "", "holds no frames"),
    ],
)
def test_a_broken_file_is_an_error_that_names_the_place(water_file, damage, message):
    path = water_file("energy=1", "energy=2")
    path.write_text(damage(path.read_text()))
    with pytest.raises(DataError, match=message) as caught:
        read(path)
    assert str(path) in caught.value.where and caught.value.remedy


def test_a_truncated_gzip_file_is_an_error(water_file, tmp_path):
    text = water_file(*["energy=1"] * 1).read_bytes() * 50
    path = tmp_path / "a.xyz.gz"
    path.write_bytes(gzip.compress(text)[:-30])
    with pytest.raises(DataError, match=r"decompressed|ends after"):
        read(path)


def test_the_convention_of_units_is_stated(water_file):
    data = read(water_file("energy=1"))
    assert any("eV, Angstrom" in note for note in data.summary.notes)
    assert data.summary.labels["energy"].unit == "eV"


def test_a_small_gzipped_file_of_empty_lines_is_an_error(tmp_path):
    with gzip.open(tmp_path / "a.xyz.gz", "wb") as stream:
        stream.write(b"1\nProperties=species:S:1:pos:R:3\nO 0 0 0\n" + b"\n" * 2000)
    with pytest.raises(DataError, match="1000 empty lines"):
        read(tmp_path / "a.xyz.gz")


def test_tensors_are_nine_numbers_in_rows_also_for_three_atoms(water_file):
    born = "0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9"
    six = 'polarizability="0.1 0.11 0.12 0.03 0.02 0.01"'
    batch = read(water_file(six, columns=":born_charges:R:9", values=born))[[0]]
    assert batch.labels["born_charges"][1, 0].tolist() == [0.1, 0.2, 0.3]
    assert batch.labels["polarizability"][0].tolist() == [[0.1, 0.01, 0.02], [0.01, 0.11, 0.03], [0.02, 0.03, 0.12]]


def test_xz_is_read_with_all_its_streams_and_their_padding(tmp_path):
    text = b"1\nProperties=species:S:1:pos:R:3 energy=%d\n%s 0 0 0\n"
    content = lzma.compress(text % (1, b"H")) + bytes(4) + lzma.compress(text % (2, b"O"))
    (tmp_path / "a.xyz.xz").write_bytes(content)
    assert read(tmp_path / "a.xyz.xz")[:].labels["energy"].tolist() == [1.0, 2.0]


def test_a_truncated_or_damaged_xz_file_is_an_error(tmp_path):
    content = lzma.compress(b"1\nProperties=species:S:1:pos:R:3 energy=1\nH 0 0 0\n" * 100)
    for broken in (content[: len(content) // 2], content[:30] + b"?" + content[31:], b"no xz at all"):
        (tmp_path / "a.xyz.xz").write_bytes(broken)
        with pytest.raises(DataError, match="cannot be decompressed"):
            read(tmp_path / "a.xyz.xz")


def test_xz_that_grows_without_end_or_wants_a_gigabyte_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("atnn.reading.text.SMALL", 1 << 20)
    line = b"1\nProperties=species:S:1:pos:R:3 energy=1\nH 0 0 0\n"
    (tmp_path / "a.xyz.xz").write_bytes(lzma.compress(line * (1 << 16)))
    with pytest.raises(DataError, match="grows to more than 1 MB"):
        read(tmp_path / "a.xyz.xz")
    greedy = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}]
    (tmp_path / "a.xyz.xz").write_bytes(lzma.compress(b"1\n", filters=greedy))
    with pytest.raises(DataError, match="cannot be decompressed"):
        read(tmp_path / "a.xyz.xz")
