"""A labeller written outside the package, with a quantity that its user adds, runs the whole way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms

from atnn.active import sample_geometries
from atnn.data import write_extxyz
from atnn.dynamics import State, Trajectory, VelocityVerlet, run
from atnn.errors import LabellingError
from atnn.interfaces.ase import Calculator
from atnn.labelling import Labeller, LabellerPotential, label
from atnn.observables import harmonic, relax
from atnn.quantities import QUANTITIES, Quantity
from atnn.reading import read, recognition
from atnn.structures import Structures
from atnn.units import CHARGE, ENERGY, LENGTH, acceleration, light_speed_cm_per_fs
from labelling.doubles import Careless, PolarizableSpring

SPRING = PolarizableSpring()
OUTPUTS = ("energy", "forces", "polarizability")
DIATOMIC = Structures.from_ase(Atoms("CO", positions=[[0.1, 0.2, 0.3], [0.5, 0.9, 1.4]]))


@pytest.fixture(autouse=True)
def polarizability(monkeypatch):
    dimension = CHARGE**2 * LENGTH**2 / ENERGY
    row = Quantity("polarizability", "structure", (3, 3), dimension, True, 2, 1, symmetric=True)
    monkeypatch.setitem(QUANTITIES, "polarizability", row)
    monkeypatch.setattr(recognition, "judge_polarizability", lambda *_: None)  # a spring is no molecule


def tensors(structures: Structures) -> torch.Tensor:
    vectors = structures.positions.view(-1, 2, 3).diff(dim=1)[:, 0]
    return torch.eye(3, dtype=torch.float64) + vectors[:, :, None] * vectors[:, None, :]


@pytest.mark.parametrize("workers", [0, 1])
def test_its_labels_are_stored_and_come_back(tmp_path, workers):
    assert isinstance(SPRING, Labeller)
    structures = Structures.concatenate([DIATOMIC, DIATOMIC.replace(positions=1.1 * DIATOMIC.positions)])
    for computed in (2, 0):
        result = label(structures, SPRING, tmp_path / "labels.db", workers)
        assert result.computed == computed and not result.failures
        torch.testing.assert_close(result.labelled.labels["polarizability"], tensors(structures))


def test_its_labels_go_to_a_file_and_come_back(tmp_path):
    labelled = label(DIATOMIC, SPRING, tmp_path / "labels.db", 0).labelled
    write_extxyz(tmp_path / "own.xyz", labelled)
    found = read(tmp_path / "own.xyz")[[0]]
    torch.testing.assert_close(found.labels["polarizability"], tensors(DIATOMIC))


def test_it_is_relaxed_has_vibrations_and_is_sampled():
    potential = LabellerPotential(SPRING, outputs=OUTPUTS)
    minimum = relax(potential, DIATOMIC)
    assert (minimum.positions[1] - minimum.positions[0]).norm().item() == pytest.approx(SPRING.length, abs=1e-4)
    modes = harmonic(potential, minimum)
    mass = modes.masses.prod() / modes.masses.sum()
    expected = np.sqrt(SPRING.stiffness / mass * acceleration) / (2 * np.pi * light_speed_cm_per_fs)
    assert modes.frequencies == pytest.approx([expected], rel=1e-3) and modes.intensities is None
    sampled = sample_geometries(potential, DIATOMIC, 8, seed=1, temperatures=(300.0,), spacing=5)
    bonds = sampled.positions.view(8, 2, 3).diff(dim=1).norm(dim=2)
    assert bonds[0].item() == pytest.approx(SPRING.length, abs=1e-3) and 1e-3 < bonds.std() < 0.2


def test_it_runs_dynamics_whose_trajectory_holds_what_it_gives(tmp_path):
    potential = LabellerPotential(SPRING, outputs=OUTPUTS)
    report = run(State.start(DIATOMIC), potential, VelocityVerlet(0.2), 4, trajectory=tmp_path / "t", outputs=OUTPUTS)
    kept = Trajectory(tmp_path / "t").read("polarizability")
    torch.testing.assert_close(kept[-1], tensors(report.state.structures))


def test_it_is_an_ase_calculator():
    atoms = DIATOMIC.to_ase()[0]
    atoms.calc = Calculator(LabellerPotential(SPRING, outputs=OUTPUTS))
    np.testing.assert_allclose(atoms.calc.get_property("polarizability", atoms), tensors(DIATOMIC)[0])
    np.testing.assert_allclose(atoms.get_forces(), SPRING(DIATOMIC)["forces"])


@pytest.mark.parametrize("path", [None, "labels.db"])
def test_a_name_or_shape_that_the_table_does_not_know_is_an_error_that_says_so(tmp_path, path):
    path = path and tmp_path / path
    with pytest.raises(LabellingError, match=r"'wonder'(.|\n)*QUANTITIES"):
        LabellerPotential(Careless("wonder", ()), path)(DIATOMIC, ("energy",))
    with pytest.raises(LabellingError, match=r"forces of the shape \(6,\), not \(2, 3\)"):
        LabellerPotential(Careless("forces", (6,)), path)(DIATOMIC, ("energy",))


def test_a_label_whose_row_is_gone_is_an_error_that_says_so(tmp_path, monkeypatch):
    label(DIATOMIC, SPRING, tmp_path / "labels.db", 0)
    monkeypatch.delitem(QUANTITIES, "polarizability")
    with pytest.raises(LabellingError, match=r"'polarizability'(.|\n)*QUANTITIES"):
        label(DIATOMIC, SPRING, tmp_path / "labels.db", 0)
