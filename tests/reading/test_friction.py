"""Friction labels: stated units, marked atoms."""

import pytest
import torch

from atnn.errors import DataError
from atnn.reading import read

UNITS = {"energy": "eV", "length": "Angstrom", "friction": "au"}


def write(path, marks='adsorbate_indices="1"', tensor="1 0 0 0 2 0 0 0 3"):
    path.write_text(f'2\nProperties=species:S:1:pos:R:3 {marks} friction_tensor="{tensor}"\nCu 0 0 0\nH 0 0 2\n')
    return path


def test_friction_is_converted_from_the_stated_unit(tmp_path):
    found = read(write(tmp_path / "a.xyz"), units=UNITS)[[0]].labels["friction"]
    torch.testing.assert_close(found[0].diagonal() / found[0, 0, 0], torch.tensor([1.0, 2.0, 3.0]).double())
    assert float(found[0, 0, 0]) == pytest.approx(2.3505, rel=1e-3)


def test_friction_without_a_stated_unit_is_refused(tmp_path):
    with pytest.raises(DataError, match="unit of the friction"):
        read(write(tmp_path / "a.xyz"))


def test_friction_without_an_adsorbate_is_refused(tmp_path):
    with pytest.raises(DataError, match="no atom is marked"):
        read(write(tmp_path / "a.xyz", marks=""), units=UNITS)


def test_negative_friction_is_refused(tmp_path):
    with pytest.raises(DataError, match="eigenvalue -2"):
        read(write(tmp_path / "a.xyz", tensor="1 0 0 0 -2 0 0 0 3"), units=UNITS | {"friction": "eV*fs/Angstrom^2"})
