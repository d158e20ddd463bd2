"""A model drives dynamics through ``ModelPotential``, pair lists with a skin included."""

from __future__ import annotations

import pytest
import torch
from ase import Atoms

from atnn.dynamics import Langevin, State, Trajectory, VelocityVerlet, maxwell_boltzmann, run
from atnn.model import Model, ModelPotential, ModelSpecification
from atnn.observables import harmonic
from atnn.structures import Structures
from systems import ethanol, methane, water_box


@pytest.fixture(scope="module")
def model() -> Model:
    specification = {
        "elements": (1, 6, 8),
        "representation": {"name": "eann", "cutoff": 4.0},
        "outputs": ("energy", "dipole"),
    }
    return Model(ModelSpecification.model_validate(specification), seed=1)


def start(frames: list[Atoms], temperature: float = 500.0) -> tuple[State, torch.Generator]:
    generator = torch.Generator().manual_seed(2)
    structures = Structures.from_ase(frames)
    return State.start(structures, maxwell_boltzmann(structures, temperature, generator)), generator


def test_resumed_run_is_the_undisturbed_one_although_the_pair_list_is_older(model, tmp_path):
    def go(folder, steps):
        state, generator = start([water_box()] * 2)
        potential = ModelPotential(model, skin=0.2)
        integrator = Langevin(0.5, 500.0, 0.02)
        report = run(state, potential, integrator, steps, trajectory=folder, every=3, generator=generator, chunk=5)
        return report, potential

    whole, potential = go(tmp_path / "whole", 150)
    assert 51 / 5 < potential.builds < 120  # at each checkpoint, sometimes between, not at every step
    go(tmp_path / "parts", 71)
    parts, _ = go(tmp_path / "parts", 150)
    assert parts.steps < 100
    assert torch.equal(parts.state.structures.positions, whole.state.structures.positions)
    assert torch.equal(Trajectory(tmp_path / "parts").dipoles, Trajectory(tmp_path / "whole").dipoles)


def test_energy_is_conserved_across_rebuilt_pair_lists(model):
    state, _ = start([ethanol(), methane()])
    potential = ModelPotential(model, skin=0.1, dtype=torch.float64)
    report = run(state, potential, VelocityVerlet(0.25), 200, every=5)
    assert potential.builds > 2
    total = report.series["potential"] + report.series["kinetic"]
    assert float((total - total[0]).abs().max()) < 1e-4
    assert report.series["dipole"].shape == (41, 2, 3)


def test_harmonic_analysis_batches_displacements_through_the_model(model):
    structures = Structures.from_ase(methane())
    potential = ModelPotential(model, dtype=torch.float64)
    modes = harmonic(potential, structures)
    assert modes.rigid == 6
    assert len(modes.frequencies) == len(modes.intensities) == 9
    split = harmonic(potential, structures, atoms_at_once=40)
    assert modes.frequencies == pytest.approx(split.frequencies, abs=1e-3)
