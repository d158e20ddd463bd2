"""An oscillator scatters where and as much as theory says, with the depolarisation of its tensor."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import constants

from atnn.errors import DataError, SpecificationError
from atnn.observables import raman
from atnn.observables.raman import GEOMETRIES
from atnn.observables.scattering import invariants
from atnn.units import coulomb
from observables.oscillators import TEMPERATURE, displacements, turned

LINE = 1500.0
SLOPE = 0.05  # e^2 Angstrom / (eV amu^(1/2)): a derivative of 0.72 Angstrom^2/amu^(1/2)
MEAN = SLOPE * np.eye(3)
TRACELESS = SLOPE * np.diag([1.0, 0.3, -1.3])


def polarizabilities(slope: np.ndarray, frames: int = 1500, timestep: float = 2.0, line: float = LINE) -> np.ndarray:
    """Polarizabilities [time, copies, 3, 3] of oscillators in random directions, on a large constant."""
    q = displacements(4, frames, timestep, line)
    return turned(np.diag([0.9, 0.7, 0.8]), 4) + q[:, :, None, None] * turned(slope, 4)


def activity(slope: np.ndarray) -> float:
    mean, anisotropy = invariants(coulomb * slope)
    return float(45 * mean + 7 * anisotropy)


@pytest.mark.parametrize("slope", [MEAN, TRACELESS, MEAN + 0.4 * TRACELESS], ids=["isotropic", "traceless", "both"])
def test_oscillator_scatters_with_the_activity_of_its_mode(slope):
    spectrum = raman(polarizabilities(slope), 2.0, TEMPERATURE, resolution=20.0)["unpolarised"]
    assert spectrum.unit == "Angstrom^4/amu/cm^-1"
    assert spectrum.peak(100.0) == pytest.approx(LINE, abs=0.5)
    assert spectrum.integral(LINE - 100, LINE + 100) == pytest.approx(activity(slope), rel=5e-3)
    assert abs(spectrum.integral(100.0, LINE - 100)) < 5e-3 * activity(slope), "the constant leaks"


def test_depolarisation_ratios_are_zero_and_three_quarters():
    for slope, expected in ((MEAN, 0.0), (TRACELESS, 0.75)):
        found = raman(polarizabilities(slope), 2.0, TEMPERATURE, resolution=20.0)
        crossed, parallel = (found[name].integral(LINE - 100, LINE + 100) for name in ("depolarised", "polarised"))
        assert crossed / parallel == pytest.approx(expected, abs=1e-6)


def test_geometries_are_sums_of_two_invariants():
    found = raman(polarizabilities(MEAN + TRACELESS), 2.0, TEMPERATURE, resolution=20.0)
    assert set(found) == set(GEOMETRIES)
    values = {name: spectrum.intensity for name, spectrum in found.items()}
    total = values["isotropic"] + values["anisotropic"]
    np.testing.assert_allclose(total, values["unpolarised"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        values["isotropic"], values["polarised"] - 4 / 3 * values["depolarised"], rtol=1e-9, atol=1e-9 * total.max()
    )
    np.testing.assert_allclose(
        values["polarised"] + values["depolarised"], values["unpolarised"], rtol=1e-9, atol=1e-12
    )


def test_cross_section_is_that_of_the_literature():
    """Placzek's formula in SI units: Neugebauer et al., J. Comput. Chem. 23, 895 (2002), doi:10.1002/jcc.10089."""
    laser, slope = 514.5, MEAN + TRACELESS
    found = raman(polarizabilities(slope), 2.0, TEMPERATURE, laser=laser, resolution=20.0)["unpolarised"]
    assert found.unit == "1e-32 cm^2/sr/cm^-1"
    nu = 100 * LINE  # 1/m
    quantum = constants.h / (8 * np.pi**2 * constants.c * nu)
    quantum /= 1 - np.exp(-constants.h * constants.c * nu / (constants.k * TEMPERATURE))
    si = activity(slope) * 1e-40 / constants.atomic_mass * (4 * np.pi * constants.epsilon_0) ** 2
    expected = np.pi**2 / constants.epsilon_0**2 * (1e9 / laser - nu) ** 4 * quantum * si / 45  # m^2/sr
    assert found.integral(LINE - 60, LINE + 60) == pytest.approx(expected / 1e-36, rel=0.01)


def test_a_shorter_wave_scatters_by_the_fourth_power():
    series = polarizabilities(MEAN)
    blue, red = (
        raman(series, 2.0, TEMPERATURE, laser=wave, resolution=20.0)["unpolarised"].integral(LINE - 50, LINE + 50)
        for wave in (400.0, 800.0)
    )
    assert blue / red == pytest.approx(((25000 - LINE) / (12500 - LINE)) ** 4, rel=2e-3)


def test_spectra_do_not_depend_on_the_direction_of_the_molecule():
    series = polarizabilities(MEAN + TRACELESS)
    seen = turned(np.eye(3) + np.diag([0.1], 2)[:3, :3], 1)[0]
    rotation, _ = np.linalg.qr(seen)
    whole = raman(series, 2.0, TEMPERATURE, resolution=20.0)
    for name, found in raman(rotation @ series @ rotation.T, 2.0, TEMPERATURE, resolution=20.0).items():
        expected = whole[name].intensity
        np.testing.assert_allclose(found.intensity, expected, atol=1e-9 * np.abs(expected).max(), rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: raman(x[..., 0], 2.0, 300.0), DataError, r"\[time, copies, 3, 3\]"),
        (lambda x: raman(x * np.nan, 2.0, 300.0), DataError, "not finite"),
        (lambda x: raman(x, 2.0, 300.0, laser=0.0, resolution=20.0), SpecificationError, "532"),
        (lambda x: raman(x, 2.0, 300.0, correction="kubo", resolution=20.0), SpecificationError, "classical, harmonic"),
    ],
)
def test_wrong_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call(polarizabilities(MEAN))
