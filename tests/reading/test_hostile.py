"""Damaged and hostile files: each is an error that names the file, and nothing is taken for what it is not."""

from __future__ import annotations

import gzip
import io
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from atnn.errors import AtnnError, AtnnWarning, DataError
from atnn.reading import read, text
from atnn.reading.text import open_text

WATER = """3
Properties=species:S:1:pos:R:3:forces:R:3 energy=-10.5 {extra} pbc="F F F"
O 0.0 0.0 0.1 0.0 0.0 0.1
H 0.0 0.76 -0.47 0.0 0.1 0.0
H 0.0 -0.76 -0.47 0.0 -0.1 -0.1
"""
UNITS = {"energy": "eV", "length": "Angstrom"}
POSITIONS = np.array([[0, 0, 0.1], [0, 0.76, -0.47], [0, -0.76, -0.47]]) + 0.1 * np.arange(4)[:, None, None] ** [
    1,
    2,
    3,
]


@pytest.fixture
def water(tmp_path):
    def write(*replacements, extra="", name="water.xyz"):
        content = WATER.format(extra=extra)
        for old, new in replacements:
            assert old in content
            content = content.replace(old, new, 1)
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("energy=-10.5", "energy=-10.5 energy=-77", "'energy' is given twice"),
        ("energy=-10.5", 'energy=-10.5 "energy"=-77', "given twice"),
        (":forces:R:3", ":pos:R:3", "name a column twice"),
        ("pos:R:3", "pos:R:null", "'null' is no count"),
        ("pos:R:3", "pos:R:-3", "'-3' is no count"),
        ("pos:R:3", "pos:Q:3", "cannot be read"),
        ("pos:R:3", "pos:RI:3", "cannot be read"),
        ("pos:R:3", "pos::3", "cannot be read"),
        ('pbc="F F F"', 'pbc="T F"', "not three of T and F"),
        ('pbc="F F F"', "pbc=2", "not three of T and F"),
        ("energy=-10.5", "energy=1_0.5", "not a number"),
        ("energy=-10.5", 'energy="a b"', "not a number"),
        ("energy=-10.5", "energy=-10.5 Lattice=0_1", "9-long numerical vector"),
        ("0.76", "0.7_6", "'0.7_6' is no number"),
        ("3\n", "-3\n", "number of atoms"),
        ("3\n", "1_0\n", "number of atoms"),
        ("O 0.0", "O 1e300", "larger than"),
        ("O 0.0", "O nan", "NaN"),
        ("O 0.0", "Xq 0.0", "not a chemical symbol"),
    ],
)
def test_what_cannot_be_meant_is_an_error(water, old, new, message):
    with pytest.raises(DataError, match=message) as caught:
        read(water((old, new)))
    assert "frame 0" in caught.value.where


def test_a_word_with_digits_and_an_underscore_stays_a_word(water):
    assert len(read(water(extra="config_type=1_0 note=300_12"))) == 1


@pytest.mark.parametrize("number", [0, 119, 200, -1])
def test_atomic_numbers_that_no_element_has_are_errors(water, number):
    path = water(("species:S:1", "Z:I:1"), ("O 0.0", f"{number} 0.0"), ("H 0.0", "1 0.0"), ("H 0.0", "1 0.0"))
    with pytest.raises(DataError, match=f"{number} is no atomic number"):
        read(path)


@pytest.mark.parametrize("extra", ["charge=x", "spin=x", "spin=0.5", 'charge="1 2"', "charge=T"])
def test_odd_charges_and_spins_are_errors(water, extra):
    with pytest.raises(DataError, match="frame 0"):
        read(water(extra=extra))


def test_the_parity_of_the_spin_is_checked(water):
    with pytest.raises(DataError, match="10 electrons cannot have 1 unpaired ones"):
        read(water(extra="spin=1"))
    assert read(water(extra="spin=1 charge=1"))[:].structures.spin.tolist() == [1]


def test_a_charge_that_only_some_frames_state_is_counted(water, tmp_path):
    path = tmp_path / "two.xyz"
    later = [WATER.format(extra="").replace("0.76", number) for number in ("0.77", "0.78")]
    path.write_text("".join([WATER.format(extra="charge=0"), *later]))
    with pytest.warns(AtnnWarning, match="2 of 3 frames do not state the charge") as caught:
        read(path)
    assert any("frame 1" in str(entry.message) for entry in caught)


def test_the_energy_that_belongs_to_the_forces_is_read(water, caplog):
    with caplog.at_level("INFO", logger="atnn"):
        data = read(water(extra="free_energy=-10.75"))
    assert data[:].labels["energy"].tolist() == [-10.75]
    assert sum("'free_energy' is read" in record.message for record in caplog.records) == 1


@pytest.mark.parametrize("cut", [0, 5, 12, 30, 60])
@pytest.mark.parametrize("flip", [False, True])
def test_damaged_gzip_is_an_error(water, tmp_path, cut, flip):
    content = bytearray(gzip.compress(water().read_bytes(), mtime=0))
    if flip:
        content[cut] ^= 0xFF
    else:
        content = content[:cut]
    path = tmp_path / "a.xyz.gz"
    path.write_bytes(content)
    try:
        found = read(path)
    except DataError as error:
        assert str(path) in str(error)
    else:
        assert flip and len(found) == 1  # a byte of gzip's header that means nothing


@pytest.mark.parametrize("name", ["a.xyz", "input.data", "configuration"])
@pytest.mark.parametrize("content", [b"\xae", b"", b"\0" * 100, b"\xff\xfe1\0", b"\r\n" * 10, b"3\n", b"begin\nend\n"])
def test_no_text_is_an_error(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=name):
        read(path, units=UNITS)


@pytest.mark.parametrize("name", ["input.data", "configuration", "a.xyz"])
def test_a_byte_that_is_no_utf8_is_named(tmp_path, name):
    texts = {
        "input.data": "begin\natom 0 0 0 O 0 0 0 0 0\ncomment ?\nend\n",
        "configuration": "point= 1 ?\n8 0 0\n0 8 0\n0 0 8\npbc 0 0 0\nO 16 0 0 0 0 0 0\nabprop: 1\n",
        "a.xyz": "1\nnote=?\nO 0 0 0\n",
    }
    path = tmp_path / name
    path.write_bytes(texts[name].encode().replace(b"?", b"\xae"))
    with pytest.raises(DataError, match="no UTF-8 text"):
        read(path, units=UNITS, format="reann" if name == "configuration" else None)


def test_a_mark_and_carriage_returns_are_read(water):
    path = water()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read(path)[:].labels["energy"].tolist() == [-10.5]


def test_duplicate_energies_in_runner_and_fireann_are_errors(tmp_path):
    path = tmp_path / "input.data"
    path.write_text("begin\natom 0 0 0 O 0 0 0 0 0\nenergy 1\nenergy 2\nend\n")
    with pytest.raises(DataError, match="given twice"):
        read(path, units=UNITS)
    path = tmp_path / "configuration"
    path.write_text(
        "point= 1\n8 0 0\n0 8 0\n0 0 8\npbc 0 0 0\nEnergy='1' Energy='2'\nO 16 0 0 0 0 0 0\nExternal_field: 0 0 0\n"
    )
    with pytest.raises(DataError, match="'Energy' is given twice"):
        read(path, units=UNITS)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_line_without_end_is_an_error_before_it_fills_the_memory(tmp_path, monkeypatch, compressed):
    monkeypatch.setattr(text, "LONGEST_LINE", 1 << 20)
    path = tmp_path / ("a.xyz.gz" if compressed else "a.xyz")
    content = b"1\n" + b"a" * (1 << 23)
    path.write_bytes(gzip.compress(content) if compressed else content)
    with pytest.raises(DataError, match="a line of more than 1 MB"):
        read(path)


def test_a_file_that_grows_beyond_reason_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "SMALL", 1 << 14)
    path = tmp_path / "a.xyz.gz"
    path.write_bytes(gzip.compress(b"1\n\nH 0 0 0\n" * (1 << 17)))
    with pytest.raises(DataError, match="when it is decompressed"):
        read(path)


def test_lines_across_blocks_are_whole(tmp_path):
    lines = [f"{index}" * (index % 7 + 1) for index in range(300_000)]
    path = tmp_path / "a.txt"
    path.write_text("\n".join(lines))
    with open_text(path) as stream:
        assert stream.read().split("\n") == lines


@pytest.mark.parametrize("key", ["E", "F", "charge"])
def test_labels_of_the_wrong_length_are_errors(tmp_path, key):
    values = {"E": np.zeros(3), "F": np.zeros((5, 3, 3)), "charge": np.zeros(5)}
    np.savez(tmp_path / "a.npz", R=POSITIONS, z=[8, 1, 1], **{key: values[key]})
    with pytest.raises(DataError, match=f"'{key}' of shape .* does not fit 4 frames"):
        read(tmp_path / "a.npz", units=UNITS)


def test_forces_of_a_row_a_frame_are_read(tmp_path):
    forces = np.random.default_rng(0).normal(size=(4, 3, 3))
    np.savez(tmp_path / "a.npz", R=POSITIONS, z=[8, 1, 1], F=forces.reshape(4, 9), note="text", pbc=np.zeros(3, bool))
    assert np.array_equal(read(tmp_path / "a.npz", units=UNITS)[:].labels["forces"], forces.reshape(-1, 3))


@pytest.mark.parametrize(
    "change",
    [
        {"F": np.zeros((4, 2, 3))},
        {"E": np.array(["a"] * 4)},
        {"E": np.zeros(4) + 1j},
        {"R": POSITIONS.astype(complex)},
        {"z": np.array(8)},
        {"z": np.array([8.5, 1, 1])},
        {"z": np.array([np.nan, 1, 1])},
        {"z": np.array([-8, 1, 1])},
        {"z": np.array([200, 1, 1])},
        {"z": np.ones((3, 3), dtype=int)},
        {"R": POSITIONS * np.nan},
        {"R": POSITIONS[0]},
        {"cell": np.zeros(3)},
        {"cell": np.zeros((4, 3, 3)), "pbc": np.zeros(2)},
        {"E": np.full(4, np.inf)},
    ],
)
def test_arrays_that_make_no_sense_are_errors(tmp_path, change):
    np.savez(tmp_path / "a.npz", **({"R": POSITIONS, "z": np.array([8, 1, 1]), "E": np.arange(4.0)} | change))
    with pytest.raises(DataError, match=r"a\.npz"):
        read(tmp_path / "a.npz", units=UNITS)


def _forge(header: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000000,), }\n",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }\n",
        b"{'descr': 'xx', 'fortran_order': False, 'shape': (1,), }\n",
        b"(" * 200 + b"\n",
        b"\xff\n",
        b"",
    ],
)
def test_absurd_headers_of_arrays_are_errors(tmp_path, header):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("R.npy", _forge(header) + b"12345678")
    with pytest.raises(DataError, match=r"a\.npz"):
        read(tmp_path / "a.npz", units=UNITS)


@pytest.mark.parametrize("compress", [np.savez, np.savez_compressed])
def test_no_damaged_archive_is_more_than_an_error(tmp_path, compress):
    whole = io.BytesIO()
    compress(whole, R=POSITIONS, z=[8, 1, 1], E=np.arange(4.0))
    content = whole.getvalue()
    path = tmp_path / "a.npz"
    rng = np.random.default_rng(0)
    for place in rng.choice(len(content), 200, replace=False):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            found = read(path, units=UNITS)[:]
        except DataError:
            continue
        assert np.array_equal(found.structures.positions.numpy(), POSITIONS.reshape(-1, 3))
        if "energy" in found.labels:  # a flipped bit in the name of an array makes it another one
            assert found.labels["energy"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("name", ["type.raw", "type_map.raw"])
@pytest.mark.parametrize("content", [b"", b"x", b"\xae", b"1_0 0 0", b"-1 0 0", b"7 0 0"])
def test_damaged_texts_of_deepmd_are_errors(tmp_path, name, content):
    _write_deepmd(tmp_path / "system")
    (tmp_path / "system" / name).write_bytes(content)
    with pytest.raises(DataError, match="system"):
        read(tmp_path / "system")


ODD_ARRAYS = [np.float64(1), np.array(["a"]), np.zeros((4, 1)), np.zeros((0, 9))]
RIGHT_ENERGY = 2  # of these: one number a frame


@pytest.mark.parametrize(
    ("name", "array"),
    [
        (name, array)
        for name in ("coord", "box", "energy", "force")
        for index, array in enumerate(ODD_ARRAYS)
        if (name, index) != ("energy", RIGHT_ENERGY)
    ],
)
def test_damaged_arrays_of_deepmd_are_errors(tmp_path, name, array):
    _write_deepmd(tmp_path / "system")
    np.save(tmp_path / "system" / "set.000" / f"{name}.npy", array)
    with pytest.raises(DataError, match="system"):
        read(tmp_path / "system")


def _write_deepmd(folder: Path) -> None:
    (folder / "set.000").mkdir(parents=True)
    (folder / "type.raw").write_text("1 0 0\n")
    (folder / "type_map.raw").write_text("H O\n")
    arrays = {"coord": POSITIONS.reshape(4, 9) + 1, "box": np.tile(np.eye(3).ravel() * 9, (4, 1)), "energy": np.ones(4)}
    for name, array in arrays.items():
        np.save(folder / "set.000" / f"{name}.npy", array)


@pytest.mark.parametrize("name", ["a.xyz", "a.npz", "a.data", "a.h5", "a.traj"])
def test_a_folder_or_a_file_that_may_not_be_read_is_an_error(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(AtnnError, match=name):
        read(tmp_path / name, units=UNITS)


@pytest.mark.parametrize("seed", range(3))
def test_no_flipped_bit_of_a_store_is_taken_for_the_truth(random_labelled, assert_same, tmp_path, seed):
    from atnn.data import write_store

    path = tmp_path / "a.h5"
    batch = random_labelled(seed, full=True)
    write_store(path, batch)
    content = path.read_bytes()
    rng = np.random.default_rng(seed)
    for place in rng.choice(len(content), 60, replace=False):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AtnnWarning)
            try:
                found = read(path)[:]
            except DataError:
                continue
        assert_same(found, batch)
