"""n2p2 and RuNNer input.data against an independent reading of the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

from atnn.errors import DataError
from atnn.reading import read
from atnn.units import bohr, hartree

ATOMS = [("O", (1.0, 2.0, 3.0), -0.8, (0.1, -0.2, 0.3)), ("H", (2.0, 3.0, 3.5), 0.4, (-0.1, 0.2, -0.3))]


@pytest.fixture
def input_data(tmp_path):
    lattice = [f"lattice {v[0]} {v[1]} {v[2]}" for v in ((20.0, 0, 0), (1.0, 21.0, 0), (0, 0, 22.0))]
    atoms = [f"atom {x} {y} {z} {symbol} {q} 0.0 {f[0]} {f[1]} {f[2]}" for symbol, (x, y, z), q, f in ATOMS]
    tail = ["energy -76.5", "charge -0.4", "end"]
    path = tmp_path / "input.data"
    path.write_text("\n".join(["begin", "comment periodic", *lattice, *atoms, *tail, "begin", *atoms, *tail]) + "\n")
    return path


def test_atomic_units_are_converted(input_data):
    data = read(input_data, units={"energy": "hartree", "length": "bohr"})
    batch = data[[0]]
    assert len(data) == 2
    assert np.allclose(batch.structures.positions, np.array([a[1] for a in ATOMS]) * bohr)
    assert np.allclose(batch.structures.cell[0, 1], np.array([1.0, 21.0, 0]) * bohr)
    assert batch.labels["energy"][0] == pytest.approx(-76.5 * hartree)
    assert np.allclose(batch.labels["forces"], np.array([a[3] for a in ATOMS]) * hartree / bohr)
    assert batch.labels["charges"].tolist() == [-0.8, 0.4]
    assert batch.structures.charge.tolist() == [-0.4] and batch.structures.pbc.all()
    assert data.summary.labels["forces"].unit == "hartree/bohr"


def test_without_lattice_lines_it_is_a_molecule(input_data):
    structures = read(input_data, units={"energy": "eV", "length": "Angstrom"})[[1]].structures
    assert not structures.pbc.any() and not structures.cell.any()


def test_undeclared_units_are_an_error_that_shows_how_to_declare_them(input_data):
    with pytest.raises(DataError, match="does not state units") as caught:
        read(input_data)
    assert 'units={"energy": "hartree", "length": "bohr"}' in caught.value.remedy
    with pytest.raises(DataError, match="units of length are not declared"):
        read(input_data, units={"energy": "hartree"})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("end\nbegin", "begin", "'begin' before 'end'"),
        ("lattice 0 0 22.0\n", "", "2 lattice lines"),
        ("energy -76.5", "energy minus", "cannot be read"),
        ("O -0.8 0.0 0.1 -0.2 0.3", "O -0.8 0.0 0.1 -0.2", "cannot be read"),
        ("begin\ncomment", "comment", "'end' without 'begin'"),
    ],
)
def test_a_broken_file_is_an_error(input_data, old, new, message):
    text = input_data.read_text()
    assert old in text
    input_data.write_text(text.replace(old, new))
    with pytest.raises(DataError, match=message):
        read(input_data, units={"energy": "eV", "length": "Angstrom"})


def test_a_truncated_file_is_an_error(input_data):
    input_data.write_text(input_data.read_text()[:-20])
    with pytest.raises(DataError, match="ends inside a block"):
        read(input_data, units={"energy": "eV", "length": "Angstrom"})
