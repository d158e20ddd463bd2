"""Electric fields as functions of time: their formulas, and the forms in which people write them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from atnn.dynamics import ConstantField, OscillatingField, PulsedField, SummedField, make_field
from atnn.errors import SpecificationError

TIMES = torch.tensor([0.0, 1.0, 7.5, 40.0], dtype=torch.float64)
Z = (0.0, 0.0, 0.02)


def test_a_constant_field_is_constant():
    field = ConstantField(amplitude=(0.1, -0.2, 0.3))
    np.testing.assert_array_equal(field.at(TIMES), [[0.1, -0.2, 0.3]] * 4)
    assert field.shortest == math.inf


def test_an_oscillating_field_has_its_period_and_phase():
    field = OscillatingField(amplitude=Z, period=20.0, phase=-math.pi / 2)
    np.testing.assert_allclose(field.at(TIMES)[:, 2], 0.02 * np.sin(2 * np.pi * TIMES.numpy() / 20), atol=1e-15)
    assert float(field.at(TIMES)[:, :2].abs().max()) == 0 and field.shortest == 20.0


def test_a_wavenumber_is_a_frequency_over_the_speed_of_light():
    # 33356.41 / 20 fs is 1667.8 cm^-1
    field = OscillatingField(amplitude=Z, wavenumber=1667.8205)
    assert field.shortest == pytest.approx(20.0, abs=1e-5)
    torch.testing.assert_close(field.at(TIMES), OscillatingField(amplitude=Z, period=20.0).at(TIMES), atol=1e-7, rtol=0)


def test_a_pulse_has_half_its_height_at_half_its_width():
    field = PulsedField(amplitude=Z, centre=40.0, width=10.0)
    at = field.at(torch.tensor([35.0, 40.0, 45.0, 0.0], dtype=torch.float64))[:, 2]
    np.testing.assert_allclose(at, [0.01, 0.02, 0.01, 0.02 * 2.0**-64], rtol=1e-12)
    wave = PulsedField(amplitude=Z, centre=40.0, width=10.0, period=8.0)
    np.testing.assert_allclose(wave.at(torch.tensor([44.0, 42.0], dtype=torch.float64))[:, 2], [
        -0.02 * 2 ** -(0.8**2), 0.0], atol=1e-15)  # fmt: skip
    assert (field.shortest, wave.shortest) == (10.0, 8.0)


def test_fields_add():
    parts = (ConstantField(amplitude=(0.01, 0, 0)), OscillatingField(amplitude=Z, period=20.0))
    total = SummedField(fields=parts)
    torch.testing.assert_close(total.at(TIMES), parts[0].at(TIMES) + parts[1].at(TIMES))
    assert total.shortest == 20.0


def test_it_is_made_of_text_mappings_files_and_lists(tmp_path):
    expected = OscillatingField(amplitude=(0, 0, 0.01), wavenumber=1600)
    mapping = {"name": "oscillating", "amplitude": [0, 0, 0.01], "wavenumber": 1600}
    (tmp_path / "field.yaml").write_text("name: oscillating\namplitude: [0, 0, 0.01]\nwavenumber: 1600\n")
    inline = "{name: oscillating, amplitude: [0, 0, 0.01], wavenumber: 1600}"
    for given in (expected, mapping, inline, str(tmp_path / "field.yaml"), [inline]):
        assert make_field(given) == expected
    constant = ConstantField(amplitude=(0, 0, -0.01))
    for given in ("0,0,-0.01", " 0, 0, -1e-2", (0, 0, -0.01), {"name": "constant", "amplitude": [0, 0, -0.01]}):
        assert make_field(given) == constant
    both = SummedField(fields=(constant, expected))
    for given in (["0,0,-0.01", inline], {"name": "sum", "fields": [{**constant.model_dump()}, mapping]}):
        assert make_field(given) == both


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("0,0", "no electric field"),
        ("0,0,x", "no electric field"),
        ("0,0,nan", "amplitude"),
        ("0,0,51.4", "amplitude"),
        ([], "no electric field is given"),
        ("{name: oscilating}", "oscillating"),
        ("{name: oscillating, amplitude: [0, 0", "YAML"),
        ("nowhere.yaml", "nowhere.yaml"),
        ({"amplitude": [0, 0, 1]}, "not the name of an electric field"),
        ({"name": "oscillating", "amplitude": [0, 0, 1]}, "either the wavenumber"),
        ({"name": "oscillating", "amplitude": [0, 0, 1], "period": 9.0, "wavenumber": 3.0}, "either the wavenumber"),
        ({"name": "pulsed", "amplitude": [0, 0, 1], "centre": 5.0, "width": 0.0}, "width"),
        ({"name": "pulsed", "amplitude": [0, 0, 1], "centre": 5.0, "width": 1.0, "sigma": 2.0}, "sigma"),
        ({"name": "constant", "amplitude": [0, 1]}, "amplitude"),
    ],
)
def test_what_is_no_field_is_an_error_that_says_why(given, message):
    with pytest.raises(SpecificationError, match=message):
        make_field(given)
