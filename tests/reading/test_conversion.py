"""Files written as stores or as parts of a split."""

from __future__ import annotations

import os

import pytest

from atnn.data import Store, load_split
from atnn.errors import AtnnWarning, DataError
from atnn.reading import convert, open_dataset, read, split_files


def test_conversion_keeps_keys_units_and_content(water_file, assert_same, tmp_path):
    path = water_file("REF_energy=-1.0", "REF_energy=-2.0")
    store = convert(path, tmp_path / "a.h5", units={"energy": "hartree", "length": "bohr"})
    memory = read(path, units={"energy": "hartree", "length": "bohr"})
    assert_same(store[:], memory.labelled)
    assert store.summary.labels["energy"].key == "REF_energy" and store.summary.labels["energy"].unit == "hartree"
    assert store.summary.sources == [str(path)]
    assert_same(read(store.path).labelled, memory.labelled)
    assert isinstance(open_dataset(store.path), Store)


def test_an_error_on_the_way_leaves_nothing(water_file, tmp_path):
    path = water_file("energy=1.0", "energy=nan")
    with pytest.raises(DataError, match="NaN"):
        convert(path, tmp_path / "a.h5")
    assert os.listdir(tmp_path) == ["water.xyz"]


def test_duplicates_are_counted_while_converting(water_file, tmp_path):
    path = water_file("energy=1.0", "energy=2.0")
    path.write_text(path.read_text() * 2)
    with pytest.warns(AtnnWarning, match="2 frames: identical"):
        convert(path, tmp_path / "a.h5")


def test_a_file_is_split_into_files_that_make_it_up(water_file, tmp_path):
    path = water_file(*(f"energy={index}" for index in range(8)))
    sizes = split_files(path, {"train": 0.75, "test": 0.25}, 1, tmp_path / "parts")
    assert {file.name: count for file, count in sizes.items()} == {"train.xyz": 6, "test.xyz": 2}
    indices = load_split(tmp_path / "parts" / "split.json", 8)
    for name, chosen in indices.items():
        part = read(tmp_path / "parts" / f"{name}.xyz")
        assert part.labelled.labels["energy"].tolist() == chosen.tolist()


@pytest.mark.parametrize("name", ["../a", "/a", "a/b", "", ".", "..", ".a", "a\\b", "a\n", "a\0", "-a", 300 * "a"])
def test_a_part_stays_in_its_folder(water_file, tmp_path, name):
    path = water_file(*(f"energy={index}" for index in range(8)))
    with pytest.raises(DataError, match="no plain name"):
        split_files(path, {"b": 0.5, name: 0.5}, 1, tmp_path / "parts" / "deep")
    assert [entry.name for entry in tmp_path.rglob("*")] == ["water.xyz"]


def test_a_file_is_not_replaced_by_its_own_part(water_file, tmp_path):
    path = water_file(*(f"energy={index}" for index in range(8)))
    before = path.read_bytes()
    with pytest.raises(DataError, match="would be replaced by its part 'water'"):
        split_files(path, {"water": 0.5, "b": 0.5}, 1, tmp_path)
    assert path.read_bytes() == before
