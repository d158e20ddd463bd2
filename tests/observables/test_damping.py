"""Rates of vibrations from a friction tensor, against formulas and against dynamics."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from atnn.errors import DataError
from atnn.observables import damping, harmonic
from atnn.units import acceleration, light_speed_cm_per_fs
from observables.bonds import Bonds, bent

MODES = harmonic(Bonds(), bent())


def test_friction_proportional_to_the_masses_damps_all_modes_alike():
    rate = 2e-3  # 1/fs
    friction = np.diag(np.repeat(MODES.masses, 3)) * rate / acceleration
    found = damping(MODES, friction)
    assert found.rates == pytest.approx([2.0] * 3) and found.lifetimes == pytest.approx([0.5] * 3)
    assert found.coupling == pytest.approx(2.0 * np.eye(3), abs=1e-12)
    assert found.widths == pytest.approx([rate / (2 * np.pi * light_speed_cm_per_fs)] * 3)


def test_friction_of_one_atom_is_shared_by_its_part_in_the_modes():
    friction = np.zeros((9, 9))
    friction[3:6, 3:6] = 0.4 * np.eye(3)
    found = damping(MODES, friction)
    expected = 1e3 * acceleration * 0.4 * (MODES.displacements[:, 1] ** 2).sum(axis=1)
    assert found.rates == pytest.approx(expected)
    assert np.abs(found.coupling[1, 2]) > 0.5 * found.rates.min()  # it drives one stretch by the other


def test_the_energy_of_damped_motion_decays_with_the_rate():
    """Two coordinates with H and Lambda, solved exactly: the energy after a time is that of the rate."""
    friction = np.zeros((9, 9))
    friction[3:6, 3:6] = 0.05 * np.eye(3)
    found = damping(MODES, friction)
    omega = 2 * np.pi * light_speed_cm_per_fs * MODES.frequencies
    still, motion = np.zeros((3, 3)), np.eye(3)
    flow = np.block([[still, motion], [-np.diag(omega**2), -found.coupling / 1e3]])
    for k in range(3):
        state = torch.matrix_exp(torch.tensor(flow * 400.0)).numpy() @ np.eye(6)[k]
        energy = (state[3:] ** 2 + (omega * state[:3]) ** 2).sum() / omega[k] ** 2
        assert energy == pytest.approx(np.exp(-0.4 * found.rates[k]), rel=0.02)


def test_the_tensor_of_the_free_atoms_is_that_of_all_with_zeros():
    fixed = harmonic(Bonds(), bent().replace(fixed=torch.tensor([True, False, False])))
    random = np.random.default_rng(0).normal(size=(6, 6))
    small, whole = random @ random.T, np.zeros((9, 9))
    whole[3:, 3:] = small
    np.testing.assert_allclose(damping(fixed, small).coupling, damping(fixed, whole).coupling)


def test_modes_without_friction_live_for_ever():
    assert np.isinf(damping(MODES, np.zeros((9, 9))).lifetimes).all()


@pytest.mark.parametrize(
    ("friction", "words"),
    [
        (np.eye(8), "of the shape"),
        (np.zeros((9, 6)), "of the shape"),
        (np.eye(9) + np.eye(9, k=1), "not symmetric"),
        (-np.eye(9), "negative eigenvalue"),
        (np.full((9, 9), np.nan), "not finite"),
    ],
)
def test_impossible_tensors_are_refused(friction, words):
    with pytest.raises(DataError, match=words):
        damping(MODES, friction)
