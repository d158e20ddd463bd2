"""Components built outside the package go the whole way: from files to training, dynamics, trajectories and reports."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.io import read as ase_read
from ase.io import write as ase_write

from atnn.dynamics import State, Trajectory, run, update_results
from atnn.dynamics.steps import step_a, step_b
from atnn.errors import DataError
from atnn.interfaces.ase import Calculator
from atnn.model import OUTPUTS, TERMS, Model, ModelPotential, ModelSpecification, load_model, save_model
from atnn.neighbors import neighbor_pairs
from atnn.quantities import QUANTITIES
from atnn.reading import read
from atnn.reports import training_report
from atnn.structures import Structures
from atnn.training import evaluate, load_config, train
from components import POLARIZABILITY, InFieldSpecification, Polarizability, SpringsSpecification
from contracts.models import NAMES, SMALL
from systems import crystal, ethanol, methane

UNITS = "energy: eV, length: Angstrom, polarizability: au"


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """One row of the table and one line of a registry for each."""
    monkeypatch.setitem(QUANTITIES, "polarizability", POLARIZABILITY)
    monkeypatch.setitem(OUTPUTS, "polarizability", lambda design: {"polarizability": Polarizability(design)})
    monkeypatch.setitem(TERMS, "springs", SpringsSpecification)
    monkeypatch.setitem(TERMS, "in_field", InFieldSpecification)


def model_of(name="eann", **changes):
    representation = {"name": name, **SMALL[name]}
    values = {"elements": (1, 6, 8, 14), "representation": representation, "hidden": (8,), **changes}
    return Model(ModelSpecification(**values), seed=1).double()


def bond_polarizability(atoms):
    """A sum over bonds, along and across each of them [e^2 Angstrom^2/eV]."""
    alpha = np.zeros((3, 3))
    for i in range(len(atoms)):
        for j in range(i):
            vector = atoms.positions[i] - atoms.positions[j]
            length = np.linalg.norm(vector)
            unit, weight = vector / length, np.exp(-((length - 1.1) ** 2))
            alpha += weight * (0.2 * np.eye(3) + 0.3 * length * np.outer(unit, unit))
    return alpha


def write_labelled(path, count=40):
    """Methane distorted at random, with energies and forces of springs and bond polarizabilities in atomic units."""
    frames, rng = [], np.random.default_rng(0)
    springs = ModelPotential(model_of(terms=("springs",), elements=(1, 6)))
    for part in springs.model.parts["energy"].parameters():
        part.data.zero_()
    for _ in range(count):
        atoms = methane()
        atoms.positions += rng.normal(scale=0.08, size=(5, 3))
        found = springs(Structures.from_ase(atoms), ("energy", "forces"))
        atoms.info = {"energy": found["energy"].item(), "alpha": bond_polarizability(atoms) / 0.010290817}
        atoms.arrays["forces"] = found["forces"].numpy()
        frames.append(atoms)
    ase_write(path, frames, format="extxyz")


@dataclass(frozen=True)
class Leapfrog:
    """Positions first: A(h/2) B(h) A(h/2)."""

    timestep: float
    conserves_energy = True
    needs = frozenset({"energy", "forces"})

    def init(self, state, potential, outputs=()):
        return update_results(state, potential, (*self.needs, *outputs))

    def step(self, state, potential, generator=None, outputs=()):
        state = step_a(state, self.timestep / 2)
        state = update_results(state, potential, (*self.needs, *outputs))
        state = step_a(step_b(state, self.timestep), self.timestep / 2)
        return state.replace(step=state.step + 1, time=state.time + self.timestep)


def test_a_quantity_of_ones_own_is_read_learned_kept_run_and_shown(tmp_path):
    write_labelled(tmp_path / "data.xyz")
    (tmp_path / "run.yaml").write_text(
        f"data: {{train: {tmp_path}/data.xyz, validation: 8, units: {{{UNITS}}}}}\n"
        "model: {representation: {name: eann, cutoff: 4.0, channels: 6}, outputs: [energy, polarizability],\n"
        "        terms: [springs], hidden: [16]}\n"
        "training: {epochs: 60, batch_size: 4, warmup: 4, weights: {energy: 0.1, forces: 1, polarizability: 1}}\n"
        f"output: {tmp_path}/run\n"
    )
    result = train(load_config(tmp_path / "run.yaml"))
    labels = read(tmp_path / "data.xyz", units=dict(pair.split(": ") for pair in UNITS.split(", ")))
    spread = float(labels.labelled.labels["polarizability"].std())
    errors = evaluate(load_model(tmp_path / "run" / "model.atnn"), labels)
    assert errors["polarizability"].rmse < 0.2 * spread
    assert (
        result.history[-1]["validation_polarizability_per_atom"]
        < result.history[0]["validation_polarizability_per_atom"]
    )

    potential = ModelPotential(result.model, dtype=torch.float64)
    state = State.start(Structures.from_ase([methane(), methane()]))
    outputs = ("polarizability",)
    report = run(state, potential, Leapfrog(0.2), 10, trajectory=tmp_path / "md.traj", every=5, outputs=outputs)
    kept = Trajectory(tmp_path / "md.traj").read("polarizability")
    assert kept.shape == (3, 2, 3, 3) and report.series["polarizability"].shape == kept.shape
    first = potential(state.structures, outputs)["polarizability"]
    torch.testing.assert_close(kept[0].double(), first, rtol=1e-5, atol=1e-6)
    frame = next(Trajectory(tmp_path / "md.traj").frames())
    np.testing.assert_allclose(frame.info["polarizability"], first[0].numpy(), rtol=1e-5)

    atoms = methane()
    atoms.calc = Calculator(result.model)
    found = atoms.calc.get_property("polarizability", atoms)
    np.testing.assert_allclose(found, first[0].numpy(), rtol=1e-4, atol=1e-5)
    page = training_report(tmp_path / "run").html()
    assert "Polarizability" in page and "Angstrom^3" in page.replace("Å", "Angstrom").replace("³", "^3")


@pytest.mark.parametrize("name", NAMES)
def test_a_tensor_readout_turns_with_the_molecule_on_every_representation(name, tmp_path):
    model = model_of(name, outputs=("energy", "polarizability"))
    save_model(tmp_path / "model.atnn", model)
    rotation = torch.linalg.qr(torch.as_tensor(np.random.default_rng(1).normal(size=(3, 3)))).Q
    structures = Structures.from_ase(ethanol())
    turned = structures.replace(positions=structures.positions @ rotation.T)
    alpha, after = (
        m(s, neighbor_pairs(s, model.cutoff), ("polarizability",))["polarizability"][0].detach()
        for m, s in ((model, structures), (load_model(tmp_path / "model.atnn"), turned))
    )
    torch.testing.assert_close(after, rotation @ alpha @ rotation.T, rtol=1e-9, atol=1e-11)
    assert (alpha - torch.diag(alpha.diagonal())).abs().max() > 1e-4 and torch.equal(alpha, alpha.T)


def test_a_term_of_ones_own_has_exact_forces_and_stress():
    model, structures, step = model_of(terms=("springs",)), Structures.from_ase(crystal()), 1e-4
    pairs = neighbor_pairs(structures, model.cutoff)

    def energy(positions, strain=0.0):
        deform = torch.eye(3).double()
        deform[0, 1] = deform[1, 0] = strain / 2
        moved = structures.replace(positions=positions @ deform, cell=structures.cell @ deform)
        return float(model(moved, neighbor_pairs(moved, model.cutoff), ("energy",))["energy"].detach())

    found = model(structures, pairs, ("forces", "virial"))
    moved = torch.zeros_like(structures.positions)
    moved[1, 2] = step
    slope = (energy(structures.positions + moved) - energy(structures.positions - moved)) / (2 * step)
    assert found["forces"][1, 2].item() == pytest.approx(-slope, abs=1e-6)
    shear = (energy(structures.positions, step) - energy(structures.positions, -step)) / (2 * step)
    assert found["virial"][0, 0, 1].item() == pytest.approx(-shear, abs=1e-6)
    assert model.parts["springs"].stiffness == 0.5 and model.cutoff == 4.0


def test_responses_to_a_field_follow_from_the_table():
    """Dipole and polarizability are first and second derivatives of the energy by the field."""
    model = model_of(outputs=("energy", "charges"), terms=("in_field",))
    assert {"dipole", "polarizability", "forces"} <= model.outputs
    structures = Structures.from_ase([ethanol(), methane()])
    field = torch.tensor([[0.1, -0.2, 0.3], [0.0, 0.4, -0.1]], dtype=torch.float64)
    for given in (structures, structures.replace(field=field)):
        pairs = neighbor_pairs(given, model.cutoff)
        found = model(given, pairs, ("charges", "dipole", "polarizability", "forces"))
        moments = found["charges"][:, None] * given.positions
        dipole = torch.zeros(2, 3, dtype=torch.float64).index_add(0, given.batch, moments)
        induced = 0.2 * given.counts.double()[:, None] * (torch.zeros(2, 3) if given.field is None else given.field)
        torch.testing.assert_close(found["dipole"], dipole + induced, rtol=0, atol=1e-12)
        expected = 0.2 * given.counts.double()[:, None, None] * torch.eye(3).double()
        torch.testing.assert_close(found["polarizability"], expected, rtol=0, atol=1e-12)
    assert (found["forces"] - model(structures, pairs, ("forces",))["forces"]).abs().max() > 1e-3


def test_a_field_is_refused_by_models_without_and_taken_by_those_that_depend_on_it():
    structures = Structures.from_ase(ethanol()).replace(field=torch.tensor([[0.0, 0.0, 0.1]]).double())
    with pytest.raises(DataError, match="electric field, which the model ignores"):
        ModelPotential(model_of())(structures, ("energy",))
    potential = ModelPotential(model_of(outputs=("energy", "charges"), terms=("in_field",)))
    assert torch.isfinite(potential(structures, ("energy", "dipole"))["dipole"]).all()


@pytest.mark.compiled
@pytest.mark.usefixtures("traced_only")
def test_components_of_ones_own_are_compiled(monkeypatch):
    model = model_of(outputs=("energy", "charges", "polarizability"), terms=("springs",))
    structures = Structures.from_ase([ethanol(), methane()])
    outputs = ("energy", "forces", "polarizability")
    found = ModelPotential(model, compile=True)(structures, outputs)
    for name, value in ModelPotential(model)(structures, outputs).items():
        torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-10)


def test_a_stop_of_ones_own_ends_its_own_trajectory(tmp_path):
    potential = ModelPotential(model_of(terms=("springs",)))
    structures = Structures.from_ase([methane(), methane(), methane()])
    velocities = torch.zeros_like(structures.positions)
    velocities[5:10, 2] = 0.01  # the second one flies away as a whole

    def far_away(state):
        return state.structures.positions[::5, 2] > methane().positions[0, 2] + 0.05

    state = State.start(structures, velocities)
    report = run(state, potential, Leapfrog(0.5), 40, stops={"far": far_away}, every=10)
    assert [(entry.number, entry.reason) for entry in report.ended] == [(1, "far")]
    assert report.numbers.tolist() == [0, 2] and report.state.step.tolist() == [40, 40]


def test_structures_written_and_read_keep_a_tensor_of_ones_own(tmp_path):
    write_labelled(tmp_path / "data.xyz", 3)
    frames = ase_read(tmp_path / "data.xyz", ":")
    assert all(isinstance(frame, Atoms) and "alpha" in frame.info for frame in frames)
    labelled = read(tmp_path / "data.xyz").labelled
    assert labelled.labels["polarizability"].shape == (3, 3, 3)
