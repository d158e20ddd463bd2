"""What `atnn data inspect` says."""

from __future__ import annotations

import pytest
from rich.console import Console

from atnn.data import Frames, data_hash, inspect, render, write_store
from atnn.errors import AtnnWarning, DataError
from atnn.reading import read


def text_of(inspection) -> str:
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(render(inspection))
    console.file.close()
    return console.export_text()


def test_everything_that_matters_is_shown(water_file):
    path = water_file(
        "REF_energy=-30.0 charge=1 smell=none", "REF_energy=-33.0 charge=0", columns=":forces:R:3", values="0 3 4"
    )
    inspection = inspect(read(path))
    text = text_of(inspection)
    for words in (
        str(path), "REF_energy", "eV/Angstrom", "H 4, O 2", "molecule: 2", "1: 1, 0: 1", "-33 to -30 eV",
        "-11.0000 to -10.0000", "smell (1)", "dipole in every frame", "No duplicates",
    ):  # fmt: skip
        assert words in text, words
    assert inspection.largest_force == pytest.approx(5.0)
    assert inspection.energy_per_atom == pytest.approx((-11.0, -10.5, -10.0))
    assert inspection.shortest_distance == pytest.approx(0.95, abs=0.01)


def test_missing_labels_and_findings_are_shown(water_file):
    path = water_file("energy=1", "", "energy=1")
    path.write_text(path.read_text() + path.read_text())
    with pytest.warns(AtnnWarning):
        inspection = inspect(read(path))
    text = text_of(inspection)
    assert "4 of 6" in text and "energy in 2 frames" in text and "! 3 frames: identical" in text
    assert "total charge (not stated, zero is assumed)" in inspection.missing


def test_a_store_is_inspected_like_its_source(random_labelled, tmp_path):
    data = Frames(random_labelled(0, count=20, full=True))
    store = write_store(tmp_path / "a.h5", data)
    assert inspect(store) == inspect(data)
    assert inspect(store).content_hash == data_hash(data)


def test_markup_in_names_of_files_is_plain_text(water_file):
    assert "[bold]" in text_of(inspect(read(water_file("energy=1", name="[bold].xyz"))))


def test_an_empty_data_set_is_an_error():
    class Nothing:
        summary = None

        def __len__(self):
            return 0

        def __getitem__(self, indices):
            raise AssertionError

    with pytest.raises(DataError, match="empty"):
        inspect(Nothing())
