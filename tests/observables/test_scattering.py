"""Raman activities and intensities agree with formulas and with other programs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from atnn.errors import SpecificationError
from atnn.observables import harmonic, raman_intensities
from atnn.observables.scattering import depolarization, raman_activity
from atnn.structures import Structures
from atnn.units import coulomb
from observables.bonds import Bonds, bent

OUTPUTS = ("energy", "forces", "dipole", "polarizability")


def test_breathing_is_polarised_and_shear_is_depolarised():
    slopes = np.stack([2 * np.eye(3), np.diag([1.0, -1.0, 0]), np.array([[0, 1.0, 0], [1, 0, 0], [0, 0, 0]])])
    slopes = np.concatenate([slopes, np.zeros((1, 3, 3))])
    assert raman_activity(slopes) == pytest.approx([180, 21, 21, 0])  # 45 a'^2 + 7 g'^2, g'^2 = 3 of both shears
    ratios = depolarization(slopes)
    assert ratios[:3] == pytest.approx([0, 0.75, 0.75]) and np.isnan(ratios[3])


def test_activities_are_those_of_finite_displacements_along_the_modes():
    potential = Bonds(OUTPUTS)
    modes, step = harmonic(potential, bent()), 1e-3
    slopes = []
    for moves in modes.displacements:
        sides = [
            potential(bent().replace(positions=bent().positions + sign * step * torch.tensor(moves)), OUTPUTS)
            for sign in (1, -1)
        ]
        slopes.append(coulomb * (sides[0]["polarizability"] - sides[1]["polarizability"])[0].numpy() / (2 * step))
    assert modes.activities == pytest.approx(raman_activity(np.array(slopes)), rel=1e-6)
    assert modes.depolarizations == pytest.approx(depolarization(np.array(slopes)), rel=1e-6)
    assert modes.depolarizations[2] == pytest.approx(0.75)  # the asymmetric stretch is not totally symmetric
    assert (modes.depolarizations[:2] < 0.7495).all()


def test_activities_do_not_depend_on_the_orientation():
    turn = torch.tensor(Rotation.from_rotvec([0.4, 1.0, -2.0]).as_matrix())
    turned = bent().replace(positions=bent().positions @ turn.T + 3.0)
    one, other = harmonic(Bonds(OUTPUTS), bent()), harmonic(Bonds(OUTPUTS), turned)
    assert one.activities == pytest.approx(other.activities, rel=1e-4)
    assert one.depolarizations == pytest.approx(other.depolarizations, rel=1e-4)
    assert one.intensities == pytest.approx(other.intensities, rel=1e-3)


def test_intensities_follow_the_frequency_and_the_temperature():
    frequencies, activities = np.array([-50.0, 200.0, 2000.0]), np.array([1e3, 10.0, 10.0])
    found = raman_intensities(frequencies, activities, laser=500.0, temperature=300.0)
    occupation = (1 - np.exp(-2000 / 208.5)) / (1 - np.exp(-200 / 208.5))  # k T is 208.5 cm^-1 at 300 K
    assert found[0] == 0 and found[1] == 1
    assert found[1] / found[2] == pytest.approx((19800 / 18000) ** 4 * 10 * occupation, rel=1e-3)
    with pytest.raises(SpecificationError, match="wavelength of the laser"):
        raman_intensities(frequencies, activities, laser=0.0)


def test_water_of_hartree_fock_agrees_with_pyscf():
    """Frequencies and modes are those of its analytic Hessian. Intensities and activities are taken along these normal
    coordinates, with the factors of the textbooks in SI units."""
    pytest.importorskip("pyscf")
    from pyscf.hessian import thermo
    from scipy import constants as si

    from observables.hartree_fock import HartreeFock

    potential, water = HartreeFock("6-31g*"), Structures.from_ase(minimum_of_hartree_fock())
    modes, field = harmonic(potential, water), potential.solve(water)
    found = thermo.harmonic_analysis(field.mol, field.Hessian().kernel())
    assert modes.frequencies == pytest.approx(found["freq_wavenumber"], abs=0.5)
    step = 0.005  # amu^1/2 Angstrom
    masses = field.mol.atom_mass_list(isotope_avg=True)
    for mode in range(3):
        shift = found["norm_mode"][mode]  # Cartesian, of the reduced mass of one amu^1/2
        shift = torch.as_tensor(step * shift / np.sqrt((masses[:, None] * shift**2).sum()))
        ends = [potential(water.replace(positions=water.positions + s * shift), OUTPUTS) for s in (1, -1)]
        dipole, alpha = (
            ((ends[0][name] - ends[1][name]) / (2 * step))[0].numpy() for name in ("dipole", "polarizability")
        )
        squared = (dipole**2).sum() * si.e**2 / si.atomic_mass  # C^2/kg
        intensity = si.N_A * squared / (12 * si.epsilon_0 * si.c**2) / 1e3  # km/mol
        volume = alpha * si.e / (4 * np.pi * si.epsilon_0) * 1e10  # Angstrom^2/amu^1/2
        mean = volume.trace() / 3
        anisotropy = 0.5 * (3 * (volume**2).sum() - volume.trace() ** 2)
        assert modes.intensities[mode] == pytest.approx(intensity, rel=3e-3, abs=0.02)
        assert modes.activities[mode] == pytest.approx(45 * mean**2 + 7 * anisotropy, rel=3e-3)
        ratio = 3 * anisotropy / (45 * mean**2 + 4 * anisotropy)
        assert modes.depolarizations[mode] == pytest.approx(ratio, abs=1e-3)


def minimum_of_hartree_fock():
    from ase import Atoms

    return Atoms("OH2", positions=[[0, 0, 0.1039949], [0, 0.7540662, -0.4694134], [0, -0.7540662, -0.4694134]])
