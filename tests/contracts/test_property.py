"""Every output of a model goes the whole way: labels, training, file, errors, report, calculator and dynamics."""

import numpy as np
import pytest
import torch
from ase.build import molecule

from atnn.data import Frames
from atnn.dynamics import State, Trajectory, VelocityVerlet, export_trajectory, run
from atnn.interfaces.ase import Calculator
from atnn.model import Model, ModelPotential, ModelSpecification, load_model
from atnn.neighbors import neighbor_pairs
from atnn.reading import read
from atnn.reports import training_report
from atnn.specification import parse
from atnn.structures import Labelled, Structures
from atnn.training import RunConfig, load_errors, train
from contracts.models import SMALL_BASIS, SMALL_OUTPUTS, evaluate

MODEL = {"representation": {"name": "eann", "cutoff": 4.0, "channels": 4}, "hidden": (8,)}


def make_frames(count=8):
    """Distorted water molecules, whose hydrogen atoms are marked as adsorbates for the properties that need them."""
    rng, frames = np.random.default_rng(0), []
    for _ in range(count):
        atoms = molecule("H2O")
        atoms.positions += rng.normal(scale=0.05, size=(3, 3))
        atoms.set_array("adsorbate", atoms.numbers == 1)
        frames.append(atoms)
    return frames


def settings(names):
    """A model of energies and other outputs."""
    basis = {"basis": SMALL_BASIS.model_dump()} if "hamiltonian" in names else {}
    return MODEL | {"outputs": tuple(dict.fromkeys(("energy", *names)))} | basis


def make_labels(frames, names):
    """What a model with random weights gives, as labels that can be learned."""
    structures = Structures.from_ase(frames)
    teacher = Model(ModelSpecification(elements=(1, 8), **settings(names)), seed=9).double()
    wanted = dict.fromkeys(("energy", "forces", *names))
    found = teacher(structures, neighbor_pairs(structures, teacher.cutoff), tuple(wanted))
    if "polarizability" in found:  # which readers want to be of the size of molecules
        found["polarizability"] = found["polarizability"] + 0.1 * torch.eye(3)
    everywhere = torch.ones(len(frames), dtype=torch.bool)
    return Labelled(structures, {key: found[key].detach() for key in wanted}, dict.fromkeys(wanted, everywhere))


def sort_numbers(values):
    """All numbers but zeros in one order, because ASE has pairs as a matrix, and without padding."""
    numbers = np.ravel(values)
    return np.sort(numbers[numbers != 0])


@pytest.mark.filterwarnings("ignore:.*without overlaps")
@pytest.mark.parametrize("names", SMALL_OUTPUTS.values(), ids=SMALL_OUTPUTS)
def test_outputs_go_from_labels_to_a_trajectory(names, tmp_path):
    frames = make_frames()
    labelled = make_labels(frames, names)
    values = {
        "data": {"train": "given", "validation": 2},
        "model": settings(names),
        "training": {"epochs": 2, "weights": dict.fromkeys(labelled.labels, 1.0), "dtype": "float64"},
        "output": str(tmp_path / "run"),
    }
    trained = train(parse(RunConfig, values), {"train": Frames(labelled)}).model
    model, atoms = load_model(tmp_path / "run" / "model.atnn"), frames[0]
    expected = evaluate(model, atoms, names)
    torch.testing.assert_close(evaluate(trained, atoms, names), expected, rtol=0.0, atol=0.0)

    errors = load_errors(tmp_path / "run" / "errors_validation.safetensors")
    page = training_report(tmp_path / "run").write(tmp_path / "report.html").read_text().lower()
    calculator = Calculator(model)
    for name in names:
        assert errors[name].predicted.shape == errors[name].reference.shape
        assert np.isfinite(errors[name].rmse) and errors[name].rmse > 0
        assert name.replace("_", " ") in page
        value = sort_numbers(calculator.get_property(name, atoms))
        np.testing.assert_allclose(value, sort_numbers(expected[name]), rtol=1e-9, atol=1e-12)

    folder, file = tmp_path / "run.traj", tmp_path / "frames.extxyz"
    start = State.start(Structures.from_ase(frames[:2]))
    run(start, ModelPotential(model), VelocityVerlet(0.2), 2, trajectory=folder, outputs=names)
    assert export_trajectory(Trajectory(folder), file) == 6
    found = read(file)[:1].labels
    for name in names:  # trajectories hold float32
        torch.testing.assert_close(found[name], expected[name].double(), rtol=1e-5, atol=1e-6)


def test_an_exported_dipole_of_an_ion_states_its_origin(tmp_path):
    atoms = molecule("H2O")
    atoms.info["charge"] = 1.0
    model = Model(ModelSpecification(elements=(1, 8), conditions=("charge",), **settings(["dipole"])), seed=9)
    start = State.start(Structures.from_ase([atoms]))
    run(start, ModelPotential(model), VelocityVerlet(0.2), 1, trajectory=tmp_path / "run.traj", outputs=["dipole"])
    export_trajectory(Trajectory(tmp_path / "run.traj"), tmp_path / "frames.extxyz")
    found = read(tmp_path / "frames.extxyz")[:]
    assert found.structures.total_charge.tolist() == [1.0, 1.0]
    expected = evaluate(model.double(), atoms, ("dipole",))["dipole"]
    torch.testing.assert_close(found.labels["dipole"][:1], expected, rtol=1e-5, atol=1e-6)
