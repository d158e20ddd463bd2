"""The susceptibility of an oscillator at a surface is the one of the formula."""

from __future__ import annotations

import numpy as np
import pytest

from atnn.errors import DataError, SpecificationError
from atnn.observables import sum_frequency
from atnn.units import acceleration, coulomb, light_speed_cm_per_fs
from observables.oscillators import TEMPERATURE, displacements

LINE, AREA, POLAR, DIPOLE = 3600.0, 50.0, 0.04, 0.2


def series(sign: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    q = displacements(3, 2000, 2.0, LINE)
    dipoles, tensors = np.full((2000, 3, 3), 5.0), np.full((2000, 3, 3, 3), 0.8)
    dipoles[:, :, 2] += sign * DIPOLE * q
    tensors[:, :, 0, 0] += POLAR * q
    tensors[:, :, 1, 1] += 0.5 * POLAR * q
    return dipoles, tensors


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_line_of_an_oscillator_has_the_strength_and_sign_of_the_formula(sign):
    """Im chi = pi alpha' mu' / (2 eps0 S omega0) delta(omega - omega0)."""
    found = sum_frequency(*series(sign), 2.0, TEMPERATURE, AREA, resolution=20.0)["imaginary"]
    omega = 2 * np.pi * light_speed_cm_per_fs * LINE
    vacuum = 1 / (4 * np.pi * coulomb)
    expected = sign * np.pi * 0.75 * POLAR * DIPOLE * acceleration / (2 * vacuum * AREA * omega)
    integral = found.integral(LINE - 200, LINE + 200) * 2 * np.pi * light_speed_cm_per_fs
    assert found.unit == "Angstrom^2/V"
    assert integral == pytest.approx(expected, rel=0.01)
    assert abs(found.frequencies[np.abs(found.intensity).argmax()] - LINE) < 5


def test_real_part_changes_its_sign_at_the_line():
    real = sum_frequency(*series(), 2.0, TEMPERATURE, AREA, resolution=20.0)["real"]
    left, right = (real.intensity[np.argmin(np.abs(real.frequencies - LINE - shift))] for shift in (-30.0, 30.0))
    assert left > 0 > right


def test_two_like_surfaces_cancel():
    (up, tensor), (down, _) = series(), series(-1.0)
    both = sum_frequency(up + down, 2 * tensor, 2.0, TEMPERATURE, AREA)["imaginary"]
    one = sum_frequency(up, tensor, 2.0, TEMPERATURE, AREA)["imaginary"]
    assert np.abs(both.intensity).max() < 1e-9 * np.abs(one.intensity).max()


def test_wrong_input_is_named():
    dipoles, tensors = series()
    with pytest.raises(DataError, match="do not belong together"):
        sum_frequency(dipoles, tensors[:5], 2.0, TEMPERATURE, AREA)
    with pytest.raises(SpecificationError, match="x, y or z"):
        sum_frequency(dipoles, tensors, 2.0, TEMPERATURE, AREA, normal="c")
    with pytest.raises(SpecificationError, match="an area"):
        sum_frequency(dipoles, tensors, 2.0, TEMPERATURE, -1.0)
