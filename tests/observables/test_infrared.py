"""A charged oscillator absorbs where and as much as theory says, within the error band."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from atnn.errors import AtnnWarning, DataError, SpecificationError
from atnn.observables import infrared, power_spectrum
from atnn.observables.corrections import CORRECTIONS, quantum_correction
from atnn.observables.infrared import KM_PER_MOL
from atnn.units import acceleration, boltzmann, debye, inverse_cm, light_speed_cm_per_fs
from references.loading import reference

TEMPERATURE = 300.0
LINE = 1700.0  # cm^-1
SLOPE = 0.25  # |d mu / d q|, e / amu^(1/2)
INTENSITY = KM_PER_MOL * SLOPE**2


def dipoles(copies: int, frames: int, timestep: float, seed: int = 0, line: float = LINE) -> np.ndarray:
    """Dipoles [time, copies, 3] of thermal harmonic oscillators with random directions, on a large constant."""
    rng = np.random.default_rng(seed)
    omega = 2 * np.pi * light_speed_cm_per_fs * line
    width = np.sqrt(boltzmann * TEMPERATURE * acceleration) / omega
    start, speed = rng.normal(size=(2, copies)) * width
    angles = omega * timestep * np.arange(frames)[:, None]
    displacement = start * np.cos(angles) + speed * np.sin(angles)
    direction = rng.normal(size=(copies, 3))
    direction *= SLOPE / np.linalg.norm(direction, axis=1, keepdims=True)
    return 7.0 + displacement[:, :, None] * direction


def test_the_unit_of_intensity_is_that_of_quantum_chemistry():
    assert KM_PER_MOL * debye**2 == pytest.approx(reference("conversions")["debye2_per_angstrom2_amu"], abs=1e-3)


@pytest.mark.parametrize("timestep", [1.0, 4.0])
@pytest.mark.parametrize("name", ["hann", "gaussian", "blackman"])
def test_oscillator_absorbs_its_harmonic_intensity_at_its_frequency(timestep, name):
    copies = 600
    series = dipoles(copies, int(3000 / timestep), timestep)
    spectrum = infrared(series, timestep, TEMPERATURE, window=name, resolution=20.0)
    assert spectrum.peak(100.0) == pytest.approx(LINE, abs=0.5)
    # energies of thermal oscillators spread by 100 %
    assert spectrum.integral() == pytest.approx(INTENSITY, rel=3 / np.sqrt(copies))
    assert spectrum.integral(LINE - 60, LINE + 60) == pytest.approx(spectrum.integral(), rel=0.02)
    assert spectrum.unit == "km/mol/cm^-1"


def test_a_known_energy_gives_the_exact_intensity():
    """No statistics: the mean square velocity of the dipole is put in by hand."""
    omega, time = 2 * np.pi * light_speed_cm_per_fs * LINE, np.arange(40_000)
    amplitude = np.sqrt(2 * boltzmann * TEMPERATURE * acceleration) / omega * SLOPE
    series = np.zeros((40_000, 1, 3))
    series[:, 0, 1] = amplitude * np.sin(omega * time)
    spectrum = infrared(torch.as_tensor(series), 1.0, TEMPERATURE)
    assert spectrum.integral() == pytest.approx(INTENSITY, rel=2e-3)
    assert spectrum.error is None


@pytest.mark.parametrize("name", ["hann", "gaussian", "blackman"])
def test_a_sharp_line_gets_the_width_asked_for(name):
    spectrum = infrared(dipoles(1, 20_000, 1.0), 1.0, TEMPERATURE, resolution=15.0, window=name)
    high = spectrum.frequencies[spectrum.intensity > 0.5 * spectrum.intensity.max()]
    assert high[-1] - high[0] == pytest.approx(15.0, abs=2 * spectrum.frequencies[1])
    assert spectrum.resolution == 15.0


def test_error_band_shrinks_with_the_root_of_the_number_of_trajectories():
    series = dipoles(1600, 800, 2.0)

    def band(chosen):
        spectrum = infrared(series[:, chosen], 2.0, TEMPERATURE, resolution=40.0)
        return spectrum.error[np.argmax(spectrum.intensity)]

    parts = [band(slice(first, first + 100)) for first in range(0, 1600, 100)]
    assert np.mean(parts) / band(slice(None)) == pytest.approx(4.0, rel=0.1)


def test_error_band_covers_the_truth():
    """The standard error is the spread of independent repetitions of the whole calculation."""
    means, errors = [], []
    for seed in range(30):
        spectrum = infrared(dipoles(50, 1000, 2.0, seed), 2.0, TEMPERATURE, resolution=40.0)
        top = np.argmin(abs(spectrum.frequencies - LINE))
        means.append(spectrum.intensity[top])
        errors.append(spectrum.error[top])
    assert np.std(means) == pytest.approx(np.mean(errors), rel=0.3)


def test_absorption_coefficient_is_the_molar_one_over_the_molar_volume():
    series = dipoles(3, 4000, 1.0)
    molar = infrared(series, 1.0, TEMPERATURE)
    volume = infrared(series, 1.0, TEMPERATURE, volume=30.0)
    volume_of_a_mole = 30.0 * reference("conversions")["molar_volume"]  # cm^3
    assert np.allclose(volume.intensity, molar.intensity * 1e5 / volume_of_a_mole, rtol=1e-5)
    assert volume.unit == "1/cm"


def test_quantum_corrections_are_those_of_the_literature():
    x = LINE * inverse_cm / (boltzmann * TEMPERATURE)
    line = np.array([LINE])
    bare = (1 - np.exp(-x)) / x
    expected = {
        "classical": 1.0,
        "harmonic": 1.0,
        "none": bare,
        "standard": bare * 2 / (1 + np.exp(-x)),
        "schofield": bare * np.exp(x / 2),
    }
    assert set(CORRECTIONS) == set(expected)
    for name, value in expected.items():
        assert quantum_correction(name, line, TEMPERATURE)[0] == pytest.approx(value)
        assert quantum_correction(name, np.array([0.0, 1e-3]), TEMPERATURE) == pytest.approx([1.0, 1.0], abs=1e-5)
    series = dipoles(3, 4000, 1.0)
    ratio = infrared(series, 1.0, TEMPERATURE, correction="schofield").integral(1600.0, 1800.0)
    ratio /= infrared(series, 1.0, TEMPERATURE).integral(1600.0, 1800.0)
    assert ratio == pytest.approx(expected["schofield"], rel=0.01)


def test_spectrum_ends_at_the_maximum():
    spectrum = infrared(dipoles(2, 4000, 1.0), 1.0, TEMPERATURE, maximum=3000.0)
    assert 2990 < spectrum.frequencies[-1] <= 3000
    assert len(spectrum.error) == len(spectrum.intensity) == len(spectrum.frequencies)


def test_density_of_states_counts_the_degrees_of_freedom():
    rng = np.random.default_rng(0)
    masses, lines = np.array([1.0, 16.0]), np.array([[300.0, 900.0, 1500.0], [600.0, 600.0, 2500.0]])
    omega = 2 * np.pi * light_speed_cm_per_fs * lines
    phases = rng.uniform(0, 2 * np.pi, size=(50, 2, 3))
    speed = np.sqrt(2 * boltzmann * TEMPERATURE * acceleration / masses)[:, None]
    time = np.arange(4000)[:, None, None, None]
    spectrum = power_spectrum(speed * np.cos(omega * time + phases), masses, 1.0, TEMPERATURE)
    assert spectrum.integral() == pytest.approx(6.0, rel=0.01)
    assert spectrum.integral(550.0, 650.0) == pytest.approx(2.0, rel=0.02)
    assert spectrum.integral(2450.0, 2550.0) == pytest.approx(1.0, rel=0.02)


def test_short_trajectories_say_what_they_resolve():
    with pytest.warns(AtnnWarning, match=r"trajectories of 499 fs resolve 66.* cm\^-1, not 10\.0"):
        spectrum = infrared(dipoles(2, 500, 1.0), 1.0, TEMPERATURE)
    assert 60 < spectrum.resolution < 70


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: infrared(x[:, 0], 1.0, 300.0), DataError, r"\[time, copies, 3\]"),
        (lambda x: infrared(x[:5], 1.0, 300.0), DataError, "5 samples|4 samples"),
        (lambda x: infrared(x * np.nan, 1.0, 300.0), DataError, "not finite"),
        (lambda x: infrared(x, 1.0, 300.0, correction="kubo"), SpecificationError, "classical, harmonic"),
        (lambda x: infrared(x, 1.0, 0.0), SpecificationError, "temperature 0.0 K"),
        (lambda x: infrared(x, 1.0, 300.0, resolution=0.0), SpecificationError, "must be positive"),
        (lambda x: infrared(x, 1.0, 300.0, volume=-1.0), DataError, "volume"),
        (lambda x: power_spectrum(x, np.ones(4), 1.0, 300.0), DataError, r"\[time, copies, atoms, 3\]"),
    ],
)
def test_wrong_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call(dipoles(2, 4000, 1.0))
