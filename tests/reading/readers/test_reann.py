"""Configuration files of REANN, and FIREANN's with their opposite signs."""

from __future__ import annotations

import numpy as np
import pytest

from atnn.errors import DataError
from atnn.reading import read

UNITS = {"energy": "eV", "length": "Angstrom"}
REANN = """point= 1
8.0 0.0 0.0
1.0 9.0 0.0
0.0 0.0 20.0
pbc 1 1 0
O 15.999 1.0 2.0 3.0 0.1 0.2 0.3
C 12.011 2.2 2.0 3.0 -0.1 -0.2 -0.3
Ni 58.693 4.0 4.0 5.0 0.0 0.0 0.0
Ni 58.693 4.0 6.5 5.0 0.0 0.0 0.0
abprop: -12.5
"""
FIREANN = """point=   0
100 0 0
0 100 0
0 0 100
pbc 0 0 0
Energy='-5.5 ' Dipole='0.1 0.2 -0.3 ' POL='-.1 0 0 0 -.2 0 0 0 -.3 '
O 15.999 0.0 0.0 0.1 0.1 0.2 0.3
H 1.008 0.0 0.76 -0.47 -0.1 -0.2 -0.3
H 1.008 0.0 -0.76 -0.47 0.0 0.0 0.0
External_field: 0.01 0.0 -0.02
"""


@pytest.fixture
def configuration(tmp_path):
    def write(text):
        path = tmp_path / "configuration"
        path.write_text(text)
        return path

    return write


def test_a_reann_file_is_read(configuration):
    data = read(configuration(REANN + REANN.replace("2.2 2.0", "2.3 2.0").replace("-12.5", "-12.0")), units=UNITS)
    batch = data[[0]]
    assert len(data) == 2 and data.labelled.labels["energy"].tolist() == [-12.5, -12.0]
    assert batch.structures.numbers.tolist() == [8, 6, 28, 28]
    assert batch.structures.positions[1].tolist() == [2.2, 2.0, 3.0]
    assert batch.structures.cell[0, 1].tolist() == [1.0, 9.0, 0.0]
    assert batch.structures.pbc[0].tolist() == [True, True, False]
    assert np.allclose(batch.labels["forces"][0], [0.1, 0.2, 0.3])
    assert data.summary.unread == {"mass": 2}


def test_several_numbers_after_abprop_need_a_name(configuration):
    path = configuration(REANN.replace("abprop: -12.5", "abprop: 0.1 0.2 0.3"))
    assert "abprop" in read(path, units=UNITS).summary.unread
    data = read(path, units=UNITS, keys={"dipole": "abprop"})
    assert data[[0]].labels["dipole"].tolist() == [[0.1, 0.2, 0.3]]


def test_atoms_without_forces_are_read(configuration):
    text = "\n".join(" ".join(line.split()[:5]) for line in REANN.splitlines()) + "\n"
    assert "forces" not in read(configuration(text), units=UNITS).summary.labels


def test_fractional_positions_are_refused_unless_declared(configuration):
    text = REANN
    for old, new in (("1.0 2.0 3.0", ".1 .2 .3"), ("2.2 2.0", ".3 .2"), ("4.0 4.0", ".5 .5"), ("4.0 6.5", ".5 .8")):
        text = text.replace(old, new)
    path = configuration(text.replace("3.0 -0.1", "0.3 -0.1").replace(" 5.0 0.0", " 0.4 0.0"))
    with pytest.raises(DataError, match="look fractional") as caught:
        read(path, units=UNITS)
    assert "reann-fractional" in caught.value.remedy
    batch = read(path, units=UNITS, format="reann-fractional")[[0]]
    assert np.allclose(batch.structures.positions[0], [0.1 * 8 + 0.2, 0.2 * 9, 0.3 * 20])


def test_fireann_labels_get_the_physical_sign(configuration):
    data = read(configuration(FIREANN), units=UNITS)
    batch = data[[0]]
    assert batch.labels["energy"].tolist() == [-5.5]
    assert np.allclose(batch.labels["dipole"], [[-0.1, -0.2, 0.3]])
    assert np.allclose(batch.structures.field, [[0.01, 0.0, -0.02]])
    assert "polarizability" in {*data.summary.unread, *data.summary.labels}
    assert not batch.structures.pbc.any() and not batch.structures.cell.any()
    assert any("dipole = -Dipole" in note for note in data.summary.notes)


def test_fireann_fields_may_be_reversed_instead_of_dipoles(configuration):
    batch = read(configuration(FIREANN), units=UNITS, format="fireann-reversed-field")[[0]]
    assert np.allclose(batch.labels["dipole"], [[0.1, 0.2, -0.3]])
    assert np.allclose(batch.structures.field, [[-0.01, 0.0, 0.02]])


def test_units_have_to_be_declared(configuration):
    for text in (REANN, FIREANN):
        with pytest.raises(DataError, match="does not state units"):
            read(configuration(text))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("abprop: -12.5\n", "", "ends inside a frame"),
        ("1.0 9.0 0.0", "1.0 9.0", "cannot be read"),
        ("O 15.999", "Oo 15.999", "'Oo' is not a chemical symbol"),
        ("2.2 2.0", "2.2 two", "cannot be read"),
        ("-12.5", "nan", "NaN"),
    ],
)
def test_a_broken_file_is_an_error(configuration, old, new, message):
    assert old in REANN
    with pytest.raises(DataError, match=message):
        read(configuration(REANN.replace(old, new)), units=UNITS)


def test_a_line_of_a_million_letters_is_read_as_quickly_as_any(configuration):
    """A search for names that began anew at every letter would take minutes."""
    assert len(read(configuration(FIREANN.replace("POL=", "x" * 10**6 + " POL=")), units=UNITS)) == 1
