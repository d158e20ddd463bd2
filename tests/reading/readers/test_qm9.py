"""QM9 as published: files, folders and the archive, with the layout of Table 2 of doi:10.1038/sdata.2014.22."""

from __future__ import annotations

import bz2
import io
import tarfile

import numpy as np
import pytest

from atnn.errors import DataError
from atnn.reading import read
from atnn.reading.readers import qm9
from atnn.units import hartree

HEADER = "gdb {}\t157.7118\t157.70997\t157.70699\t0.\t13.21\t-0.3877\t0.1171\t0.5048\t35.3641\t0.044749\t{}\t-40.476062"
ATOMS = (
    ("C", "-0.0126981{}59", "1.0858041578", "8.0009958*^-3", "-0.535689"),
    ("H", "2.1504159*^-2", "-0.0060313176", "0.0019761204", "0.133921"),
    ("H", "1.0117308433", "1.4637511618", "0.0002765748", "0.133922"),
    ("H", "-0.540815069", "1.4475266138", "-0.8766437152", "0.133923"),
    ("H", "-0.5238136345", "1.4379326443", "0.9063972942", "0.133923"),
)
TAIL = "1341.307\t1341.3284\t1341.365\nC\tC\t\nInChI=1S/CH4/h1H4\tInChI=1S/CH4/h1H4\n"


def molecule(index: int, energy: str = "-40.47893") -> str:
    lines = ["\t".join(atom) for atom in ATOMS]
    text = "\n".join(["5", HEADER.format(index, energy) + "\t-40.475117\t-40.498597\t6.469\t", *lines, TAIL])
    return text.format(index)  # in the position of the first atom, since no two molecules are alike


@pytest.fixture
def folder(tmp_path):
    result = tmp_path / "qm9"
    result.mkdir()
    for index in (2, 1):
        (result / f"dsgdb9nsd_{index:06d}.xyz").write_text(molecule(index, f"-40.{index}"))
    (result / "readme.txt").write_text("not a molecule")
    return result


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "dsgdb9nsd.xyz.tar.bz2"
    with tarfile.open(path, "w:bz2") as tar:
        for index in (1, 2):
            content = molecule(index, f"-40.{index}").encode()
            member = tarfile.TarInfo(f"dsgdb9nsd_{index:06d}.xyz")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def test_a_file_has_the_energy_u0_in_hartree_and_mulliken_charges(folder):
    data = read(folder / "dsgdb9nsd_000001.xyz")
    batch = data[:]
    assert batch.structures.numbers.tolist() == [6, 1, 1, 1, 1] and not batch.structures.pbc.any()
    assert batch.labels["energy"].tolist() == [pytest.approx(-40.1 * hartree, rel=1e-12)]
    assert batch.labels["charges"].tolist() == [-0.535689, 0.133921, 0.133922, 0.133923, 0.133923]
    assert data.summary.labels["energy"].unit == "hartree"
    assert set(batch.labels) == {"energy", "charges"}


def test_exponents_of_mathematica_are_numbers(folder):
    positions = read(folder / "dsgdb9nsd_000001.xyz")[:].structures.positions
    assert positions[0, 2] == 8.0009958e-3 and positions[1, 0] == 2.1504159e-2


def test_all_seventeen_properties_and_what_follows_are_named(folder):
    (frame,) = qm9.read_frames(folder / "dsgdb9nsd_000002.xyz")
    assert frame.info["index"] == 2 and frame.info["A"] == 157.7118 and frame.info["Cv"] == 6.469
    assert (frame.info["dipole_norm"], frame.info["isotropic_polarizability"]) == (0.0, 13.21)
    assert (frame.info["homo"], frame.info["lumo"], frame.info["gap"]) == (-0.3877, 0.1171, 0.5048)
    assert (frame.info["U"], frame.info["H"], frame.info["G"]) == (-40.476062, -40.475117, -40.498597)
    assert frame.info["frequencies"].tolist() == [1341.307, 1341.3284, 1341.365]
    assert frame.info["smiles"] == "C\tC" and frame.info["inchi"].startswith("InChI=1S/CH4/h1H4")


def test_other_energies_are_declared(folder):
    energy = read(folder / "dsgdb9nsd_000001.xyz", keys={"energy": "H"})[:].labels["energy"]
    assert float(energy[0]) == pytest.approx(-40.475117 * hartree, rel=1e-12)


def test_a_folder_and_the_archive_are_read_in_order(folder, archive):
    for path in (folder, archive):
        assert np.allclose(read(path)[:].labels["energy"], [-40.1 * hartree, -40.2 * hartree])


def test_renamed_files_are_recognised_and_extended_xyz_of_that_name_is_not(tmp_path, folder):
    (tmp_path / "a.xyz").write_text(molecule(7))
    assert len(read(tmp_path / "a.xyz")) == 1
    (tmp_path / "dsgdb9nsd_000003.xyz").write_text("1\nProperties=species:S:1:pos:R:3 energy=-1.0\nH 0 0 0\n")
    assert read(tmp_path / "dsgdb9nsd_000003.xyz")[:].labels["energy"].tolist() == [-1.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("\t-40.476062", ""), "line 2 has 16 words"),
        (lambda text: text.replace("\t0.133921", ""), "atom 1 has 4 columns"),
        (lambda text: "\n".join(text.splitlines()[:8]), "8 lines for 5 atoms"),
        (lambda text: text.replace("8.0009958*^-3", "8.0009958*-3"), "could not convert"),
        (lambda text: text.replace("C\t-0.0126981159", "Q\t-0.0126981159"), "'Q' is not a chemical symbol"),
    ],
)
def test_damaged_files_are_an_error_that_names_them(tmp_path, change, message):
    path = tmp_path / "dsgdb9nsd_000001.xyz"
    path.write_text(change(molecule(1)))
    with pytest.raises(DataError, match=message) as caught:
        read(path, format="qm9")
    assert str(path) in caught.value.where


def test_a_truncated_archive_is_an_error(archive):
    content = archive.read_bytes()
    archive.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"cannot be (read|decompressed)"):
        read(archive)


def test_an_archive_that_grows_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(qm9, "SMALL", 1 << 20)
    member = tarfile.TarInfo("zeros")
    member.size = 1 << 26
    path = tmp_path / "dsgdb9nsd.xyz.tar.bz2"
    path.write_bytes(bz2.compress(member.tobuf() + bytes(member.size)))
    with pytest.raises(DataError, match="grows to more than 1 MB"):
        read(path)


def test_a_molecule_of_a_gigabyte_is_refused(tmp_path):
    path = tmp_path / "dsgdb9nsd.xyz.tar.bz2"
    member = tarfile.TarInfo("dsgdb9nsd_000001.xyz")
    member.size = 1 << 30
    path.write_bytes(bz2.compress(member.tobuf()))
    with pytest.raises(DataError, match="a molecule of 1073741824 bytes"):
        read(path)
