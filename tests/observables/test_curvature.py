"""What vibrations are made of: outputs of a potential, or differences in their place."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from atnn.observables import curvature, harmonic, isotope_masses, normal_modes
from observables.bonds import Bonds, bent

DIFFERED = ("energy", "forces", "dipole", "polarizability")


def test_differences_agree_with_the_outputs_of_the_potential():
    differed, given = curvature(Bonds(DIFFERED), bent()), curvature(Bonds(Bonds.every), bent())
    np.testing.assert_allclose(differed.hessian, given.hessian, atol=2e-3 * np.abs(given.hessian).max())
    np.testing.assert_allclose(differed.dipole, given.dipole, atol=1e-4)
    np.testing.assert_allclose(differed.polarizability, given.polarizability, atol=1e-9)


def test_what_the_potential_gives_is_not_differed():
    potential = Bonds(Bonds.every)
    curvature(potential, bent())
    assert len(potential.asked) == 1 and "forces" in potential.asked[0]
    potential = Bonds((*DIFFERED, "born_charges"))
    curvature(potential, bent())
    assert [set(names) for names in potential.asked] == [
        {"energy", "forces", "born_charges"},
        {"forces", "polarizability"},
    ]


def test_rows_of_fixed_atoms_are_left_out_of_outputs_as_of_differences():
    structures = bent().replace(fixed=torch.tensor([True, False, False]))
    for outputs in (DIFFERED, Bonds.every):
        found = curvature(Bonds(outputs), structures)
        whole = curvature(Bonds(outputs), bent())
        np.testing.assert_allclose(found.hessian, whole.hessian[3:, 3:], atol=1e-10)
        np.testing.assert_allclose(found.polarizability, whole.polarizability[3:], atol=1e-10)
        assert len(normal_modes(found).frequencies) == 6


def test_one_curvature_serves_all_isotopologues():
    potential = Bonds(DIFFERED)
    found = curvature(potential, bent())
    calls = len(potential.asked)
    heavy = isotope_masses(bent().numbers.numpy(), {"D": [1]})
    modes = normal_modes(found, heavy)
    assert len(potential.asked) == calls
    again = harmonic(potential, bent(), masses=heavy)
    for name in ("frequencies", "intensities", "activities", "depolarizations"):
        np.testing.assert_allclose(getattr(modes, name), getattr(again, name), rtol=1e-9)
    assert modes.frequencies[2] / normal_modes(found).frequencies[2] == pytest.approx(1.0, abs=0.02)  # O-H is left
    assert modes.frequencies[1] / normal_modes(found).frequencies[1] == pytest.approx(0.73, abs=0.02)
