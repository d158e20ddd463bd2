"""Electronic friction from labels to lifetimes: train, save, evaluate, calculate, simulate, and damp normal modes.

Hydrogen above four fixed copper atoms is bound by Morse potentials and rubs along its bonds, so that the right answers
are formulas.
"""

from __future__ import annotations

import json
from typing import NamedTuple

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError
from ase.constraints import FixAtoms
from typer.testing import CliRunner

from atnn import ModelPotential, load_model, train
from atnn.cli import app
from atnn.data import Frames, write_extxyz
from atnn.data.matrices import join_matrix
from atnn.dynamics import Langevin, State, Trajectory, VelocityVerlet, run
from atnn.errors import DataError, DynamicsError
from atnn.interfaces.ase import Calculator
from atnn.neighbors import neighbor_pairs
from atnn.observables import damping, harmonic
from atnn.observables.relaxation import relax
from atnn.quantities import QUANTITIES
from atnn.specification import parse
from atnn.structures import Labelled, Structures
from atnn.training import RunConfig
from atnn.units import acceleration

DEPTH, STEEP, LENGTH = 0.5, 1.2, 2.1  # eV, 1/Angstrom, Angstrom
FRICTION, RANGE, ROUND = 0.05, 0.5, 0.3  # eV*fs/Angstrom^2, Angstrom, share that does not depend on the direction
COPPER = 1.275 * np.array([[1, 1, 0], [1, -1, 0], [-1, 1, 0], [-1, -1, 0]])
HEIGHT = np.sqrt(LENGTH**2 - 2 * 1.275**2)  # where all bonds have their length


def make(move=(0.0, 0.0, 0.0)) -> Atoms:
    """Hydrogen, this far from its minimum."""
    atoms = Atoms("HCu4", [np.array([0, 0, HEIGHT]) + move, *COPPER], constraint=FixAtoms([1, 2, 3, 4]))
    atoms.arrays["adsorbate"] = atoms.numbers == 1
    return atoms


def label(atoms: Atoms) -> tuple[float, np.ndarray, np.ndarray]:
    """Energy, forces and friction tensor of hydrogen."""
    ways = atoms.positions[0] - COPPER
    lengths = np.linalg.norm(ways, axis=1)
    units, decay = ways / lengths[:, None], np.exp(-STEEP * (lengths - LENGTH))
    pull = (2 * DEPTH * STEEP * (1 - decay) * decay)[:, None] * units
    rub = FRICTION * np.exp(-(lengths - LENGTH) / RANGE)
    tensor = np.einsum("j,jx,jy->xy", rub, units, units) + ROUND * rub.sum() * np.eye(3)
    return float((DEPTH * (1 - decay) ** 2).sum()), np.concatenate([-pull.sum(0)[None], pull]), tensor


def make_labelled(count: int, seed: int) -> Labelled:
    """Labelled frames around the minimum."""
    moves = np.random.default_rng(seed).normal(scale=0.15, size=(count, 3))
    frames = [make(move) for move in moves]
    energies, forces, tensors = zip(*map(label, frames), strict=True)
    labels = {"energy": np.array(energies), "forces": np.concatenate(forces), "friction": np.stack(tensors)}
    mask = torch.ones(count, dtype=torch.bool)
    labels = {name: torch.as_tensor(value) for name, value in labels.items()}
    return Labelled(Structures.from_ase(frames), labels, dict.fromkeys(labels, mask))


class Trained(NamedTuple):
    """A trained model and its file."""

    model: object
    path: object


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("friction")
    settings = {
        "data": {"train": "given"},
        "model": {
            "representation": {"name": "eann", "cutoff": 4.0, "channels": 4},
            "outputs": ["energy", "friction"],
            "hidden": [16],
        },
        "training": {
            "epochs": 25,
            "batch_size": 8,
            "weights": {"energy": 0.1, "forces": 1.0, "friction": 1.0},
            "warmup": 20,
            "ema": 0.98,
            "validate_every": 25,
        },
        "output": str(folder / "run"),
    }
    sets = {"train": Frames(make_labelled(48, seed=0)), "validation": Frames(make_labelled(8, seed=1))}
    train(parse(RunConfig, settings), sets)
    path = folder / "run" / "model.atnn"
    return Trained(load_model(path).double(), path)


def tensors_of(model, structures) -> np.ndarray:
    """Friction of hydrogen in each structure."""
    found = model(structures, neighbor_pairs(structures, model.cutoff), ["friction"])["friction"]
    return found.detach().numpy()


def test_relaxation_rates_of_the_modes_are_those_of_the_formula(trained):
    potential = ModelPotential(trained.model)
    start = Structures.from_ase(make((0.1, -0.05, 0.1)))
    minimum = relax(potential, start)
    modes = harmonic(potential, minimum)
    found = damping(modes, tensors_of(trained.model, minimum)[0])
    # The modes are motion along and across the surface, and only hydrogen moves: rates are Lambda_xx/m and Lambda_zz/m.
    slope = HEIGHT / LENGTH
    along, across = 2 * (1 - slope**2) + 4 * ROUND, 4 * slope**2 + 4 * ROUND
    stiff, soft = (1e3 * acceleration * FRICTION * factor / 1.008 for factor in (along, across))
    heights = np.abs(modes.modes[:, 0, 2])
    assert int(heights.argmax()) == 0 and heights.max() > 0.99, "the bonds are closer to the surface than to its normal"
    # 48 frames and 150 steps leave errors of 2 to 3 per cent.
    assert found.rates == pytest.approx([soft, stiff, stiff], rel=0.08)
    assert found.lifetimes == pytest.approx(1 / found.rates)
    assert abs(stiff - soft) > 0.1 * soft, "modes are told apart"


def test_the_calculator_gives_the_tensor_on_request(trained):
    atoms = make((0.1, 0.0, 0.1))
    atoms.calc = Calculator(trained.path, dtype="float64")
    atoms.get_forces()
    assert "friction" not in atoms.calc.results, "nobody asked for it"
    found = atoms.calc.get_property("friction", atoms)
    assert found.shape == (3, 3) and "friction" in atoms.calc.implemented_properties
    np.testing.assert_allclose(found, tensors_of(trained.model, Structures.from_ase(atoms))[0], rtol=1e-9)
    np.testing.assert_allclose(found, label(atoms)[2], atol=0.1 * np.abs(found).max())
    atoms.positions[0, 0] += 0.1
    assert np.abs(atoms.calc.get_property("friction", atoms) - found).max() > 1e-4, "it is that of the new positions"
    del atoms.arrays["adsorbate"]
    assert np.isfinite(atoms.get_potential_energy()), "energies need no adsorbate"
    with pytest.raises(DataError, match="no atom is marked as adsorbate"):
        atoms.calc.get_property("friction", atoms)
    atoms.calc = Calculator(trained.path)
    with pytest.raises(PropertyNotImplementedError):
        atoms.calc.get_property("dipole", atoms)


@pytest.mark.parametrize(
    "integrator", [VelocityVerlet(0.5), Langevin(0.5, temperature=100.0, friction=0.01)], ids=["nve", "nvt"]
)
def test_trajectories_record_the_tensor_along_the_way(trained, tmp_path, integrator):
    state = State.start(Structures.from_ase([make((0.1, 0.0, 0.1)), make((0.0, 0.1, -0.1))]))
    generator = torch.Generator().manual_seed(0)
    potential = ModelPotential(trained.model)
    run(state, potential, integrator, 6, trajectory=tmp_path / "a", every=2, generator=generator, outputs=["friction"])
    trajectory = Trajectory(tmp_path / "a")
    recorded = trajectory.read("friction")
    assert recorded.shape == (4, 2, 3, 3) and trajectory.header["units"]["friction"] == "eV*fs/Angstrom^2"
    for number in range(2):
        frames = list(trajectory.frames(number))
        expected = tensors_of(trained.model, Structures.from_ase(frames))
        # Positions in frames are in single precision.
        np.testing.assert_allclose(recorded[:, number], expected, rtol=1e-4, atol=1e-6)
        assert np.ptp(expected[:, 0, 0]) > 1e-4
        stored = join_matrix(frames[-1].info["friction"].reshape(-1, 3, 3), QUANTITIES["friction"])
        np.testing.assert_allclose(stored, recorded[-1, number], rtol=1e-6)


def test_dynamics_neither_feels_nor_keeps_friction_that_nobody_asked_for(trained, tmp_path):
    """Friction of a model is no force yet: motion conserves the energy, and frames do not hold the tensor."""
    state = State.start(Structures.from_ase(make((0.15, 0.0, 0.1))))
    report = run(state, ModelPotential(trained.model), VelocityVerlet(0.5), 100, trajectory=tmp_path / "a")
    assert "friction" not in Trajectory(tmp_path / "a").quantities
    total = report.series["potential"] + report.series["kinetic"]
    # With the friction of the model a twentieth of the energy would be lost in these 50 fs.
    assert float(total.max() - total.min()) < 0.005 * float(report.series["kinetic"].max())


def test_dynamics_refuses_the_tensor_where_no_model_gives_it(trained):
    class Bare(ModelPotential):
        def __init__(self, model):
            super().__init__(model)
            self.outputs = frozenset({"energy", "forces"})

    with pytest.raises(DynamicsError, match="does not give friction"):
        run(State.start(Structures.from_ase(make())), Bare(trained.model), VelocityVerlet(0.5), 1, outputs=["friction"])


def test_atnn_eval_compares_with_labels_in_rates_once_they_are_converted(trained, tmp_path):
    data = make_labelled(6, seed=2)
    write_extxyz(tmp_path / "plain.xyz", data)
    rates = data._replace(labels={**data.labels, "friction": data.labels["friction"] * 1e3 * acceleration / 1.008})
    write_extxyz(tmp_path / "rates.xyz", rates)
    stated = (tmp_path / "rates.xyz").read_text()
    (tmp_path / "rates.xyz").write_text(stated.replace(" friction_unit=eV*fs/Angstrom^2", ""))
    refused = CliRunner().invoke(app, ["eval", str(trained.path), str(tmp_path / "rates.xyz")])
    assert refused.exit_code != 0 and "the unit of the friction" in f"{refused.output} {refused.exception}"
    arguments = [
        "data",
        "convert",
        tmp_path / "rates.xyz",
        "--output",
        tmp_path / "rates.h5",
        "--unit",
        "friction=1/ps",
    ]
    assert CliRunner().invoke(app, [str(a) for a in arguments]).exit_code == 0
    errors = []
    for name in ("plain.xyz", "rates.h5"):
        done = CliRunner().invoke(app, ["eval", str(trained.path), str(tmp_path / name), "--json"])
        assert done.exit_code == 0, done.output
        errors.append(json.loads(done.stdout)["errors"]["friction"]["rmse"])
    assert errors[0] == pytest.approx(errors[1], rel=1e-6)
    expected = tensors_of(load_model(trained.path), data.structures) - data.labels["friction"].numpy()
    assert errors[0] == pytest.approx(float(np.sqrt((expected**2).mean())), rel=1e-3)
