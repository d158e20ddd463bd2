from __future__ import annotations

import numpy as np
import pytest
import torch
from ase.build import molecule

from atnn.errors import LabellingError
from atnn.labelling import TbliteLabeller, relax, sample_geometries
from atnn.labelling.sampling import normal_modes, too_close
from atnn.structures import Structures
from atnn.units import hbar, inverse_cm
from systems import crystal

pytest.importorskip("tblite")
XTB = TbliteLabeller()
WATER = Structures.from_ase(molecule("H2O"))


def test_relaxed_water_has_no_forces_and_three_vibrations():
    minimum = relax(WATER, XTB)
    assert np.abs(XTB(minimum)["forces"]).max() < 2e-3
    values, modes = normal_modes(minimum, XTB)
    wavenumbers = np.sqrt(np.clip(values, 0, None)) * hbar / inverse_cm
    assert (wavenumbers[:6] < 60).all()
    # xtb 6.5.1 --hess: 1539.3, 3644.1, 3651.8 cm^-1
    np.testing.assert_allclose(wavenumbers[6:], [1539, 3644, 3652], atol=15)
    np.testing.assert_allclose(np.einsum("kax,lax->kl", modes, modes), np.eye(9), atol=1e-10)


def test_samples_are_reproducible_distinct_and_hotter_ones_go_farther():
    first = sample_geometries(WATER, XTB, 20, seed=1, temperatures=(100.0, 3000.0), spacing=10)
    again = sample_geometries(WATER, XTB, 20, seed=1, temperatures=(100.0, 3000.0), spacing=10)
    other = sample_geometries(WATER, XTB, 20, seed=2, temperatures=(100.0, 3000.0), spacing=10)
    assert len(first) == 20 and torch.equal(first.positions, again.positions)
    assert not torch.equal(first.positions, other.positions)
    geometries = first.positions.view(20, 3, 3)
    distances = (geometries[:, :, None] - geometries[:, None]).norm(dim=-1)
    assert len(torch.unique(distances[:, 0, 1])) == 20
    energies = np.array([XTB(first.select([i]))["energy"] for i in range(20)])
    assert energies.argmin() == 0  # the minimum itself
    cold, hot = energies[10:15] - energies[0], energies[15:] - energies[0]
    assert cold.mean() < 0.06 < hot.mean()


def test_normal_mode_samples_carry_the_zero_point_energy():
    cold = sample_geometries(WATER, XTB, 60, seed=3, temperatures=(10.0,), dynamics=0.0)
    energies = np.array([XTB(cold.select([i]))["energy"] for i in range(60)])
    # half of the zero-point energy of 0.548 eV is potential
    assert (energies[1:] - energies[0]).mean() == pytest.approx(0.274, rel=0.3)


def test_close_atoms_are_recognised():
    water = molecule("H2O")
    assert not too_close(water.numbers, water.positions)
    water.positions[1] = water.positions[0] + [0.4, 0, 0]
    assert too_close(water.numbers, water.positions)


def test_crystals_are_refused():
    with pytest.raises(LabellingError, match="for molecules"):
        sample_geometries(Structures.from_ase(crystal()), XTB, 4, seed=0)
