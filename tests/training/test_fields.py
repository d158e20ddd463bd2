"""One energy in an electric field, learned from its own labels and from those of its derivatives at once."""

import numpy as np
import pytest
import torch
from ase.build import molecule

from atnn.data import Frames
from atnn.errors import AtnnWarning, DataError
from atnn.model import Model, ModelSpecification
from atnn.neighbors import neighbor_pairs
from atnn.parts import Statistics
from atnn.structures import Labelled, Structures
from atnn.training import ModelConfig, train
from atnn.training.step import Step, make_batch
from contracts.models import SMALL
from training.runs import config

CHARGES = torch.tensor([-0.6, 0.3, 0.3], dtype=torch.float64)
NAMES = ("energy", "forces", "dipole", "polarizability")


def energy(positions, field):
    """Springs, fixed charges, and polarizable bonds, of molecules [n, 3, 3] in fields [n, 3]."""
    total = -(field * torch.einsum("a,nax->nx", CHARGES, positions)).sum(1) - 0.1 * field.square().sum(1)
    for i, j, length in ((0, 1, 0.97), (0, 2, 0.97), (1, 2, 1.52)):
        bond = positions[:, i] - positions[:, j]
        distance = bond.norm(dim=1)
        along = (bond * field).sum(1) / distance
        total = total + 8.0 * (distance - length) ** 2 - 0.05 * distance * along.square()
    return total


def labelled(count=48, fields=True, charge=None):
    """Distorted water molecules with all derivatives of their energy."""
    rng = np.random.default_rng(0)
    frames = [molecule("H2O") for _ in range(count)]
    for atoms in frames:
        atoms.positions += rng.normal(scale=0.06, size=(3, 3))
        atoms.info["electric_field"] = rng.normal(scale=0.3 if fields else 0.0, size=3)
    structures = Structures.from_ase(frames)
    structures = structures if charge is None else structures.replace(charge=torch.full((count,), charge).double())
    positions, field = (
        structures.positions.reshape(-1, 3, 3).requires_grad_(),
        structures.field.clone().requires_grad_(),
    )
    total = energy(positions, field)
    forces, dipole = (-g for g in torch.autograd.grad(total.sum(), (positions, field), create_graph=True))
    rows = [torch.autograd.grad(dipole[:, axis].sum(), field, retain_graph=True)[0] for axis in range(3)]
    labels = {
        "energy": total,
        "forces": forces.reshape(-1, 3),
        "dipole": dipole,
        "polarizability": torch.stack(rows, dim=1),
    }
    labels = {name: value.detach() for name, value in labels.items()}
    structures = structures.replace(positions=structures.positions.detach())
    return Labelled(structures, labels, {name: torch.ones(count, dtype=torch.bool) for name in labels})


def settings(folder, representation, conditions=("field",), **training):
    given = config(folder, **{"dtype": "float64", "weights": dict.fromkeys(NAMES, 1.0), **training})
    model = ModelConfig(representation=representation, conditions=conditions, hidden=(16,))
    return given.model_copy(update={"model": model})


def started(name, data):
    """A model with its scales from the data, in fields or not."""
    specification = ModelSpecification(
        elements=(1, 8), representation={"name": name, **SMALL[name]}, conditions=("field",), hidden=(8,)
    )
    model = Model(specification, seed=1).double()
    pairs = neighbor_pairs(data.structures, model.cutoff)
    model.start(Statistics(neighbors=2.0, scale=1.0, energy=0.0), data.structures, pairs)
    return model


@pytest.mark.parametrize(
    ("name", "fields"), [("equireann", True), ("neat", False)], ids=["in fields", "without a field"]
)
def test_energy_forces_dipole_and_polarizability_are_learned_together(name, fields):
    data = labelled(12, fields)
    model = started(name, data)
    batch, spreads = make_batch(model, data, NAMES), [data.labels[q].std().item() for q in NAMES]
    step = Step(model, NAMES, spreads, "mse", compiled=False)
    optimizer, losses = torch.optim.Adam(model.parameters(), lr=0.02), []
    for _ in range(50):
        result = step(batch, torch.ones(4).double())
        losses.append(result.terms / batch.counts)
        for parameter, gradient in zip(model.parameters(), result.gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()
    assert (losses[-1] < torch.tensor([0.3, 0.8, 0.8, 0.2]) * losses[0]).all(), (losses[0], losses[-1])


def test_a_dipole_in_a_field_differs_from_that_without_by_the_polarizability(tmp_path):
    """The labels obey it, so their average over the training set shows that no sign was lost on the way."""
    data = labelled()
    induced = torch.einsum("nxy,ny->nx", data.labels["polarizability"], data.structures.field)
    permanent = data.labels["dipole"] - induced
    positions = data.structures.positions.reshape(-1, 3, 3)
    torch.testing.assert_close(permanent, torch.einsum("a,nax->nx", CHARGES, positions))


@pytest.mark.parametrize("weights", [{"energy": 1.0}, {"energy": 1.0, "polarizability": 1.0}])
def test_a_condition_without_a_field_or_a_response_in_the_data_is_warned_of(weights, tmp_path, recwarn):
    run = settings(tmp_path, {"name": "eann", **SMALL["eann"]}, epochs=1, weights=weights)
    train(run, {"train": Frames(labelled(16, fields=False))})
    told = [str(each.message) for each in recwarn if issubclass(each.category, AtnnWarning)]
    assert any("model.conditions names field" in text for text in told) == (len(weights) == 1)


def test_ions_are_refused_by_a_training_that_lacks_their_charge(tmp_path):
    run = settings(tmp_path, {"name": "eann", **SMALL["eann"]}, epochs=1)
    with pytest.raises(DataError, match=r"train data: .* total charge Q"):
        train(run, {"train": Frames(labelled(16, charge=1.0))})


@pytest.mark.compiled
@pytest.mark.usefixtures("traced_only")
@pytest.mark.parametrize("name", ["eann"])
def test_the_compiled_step_has_the_gradient_of_all_four(name):
    model = started(name, labelled(6))
    batch = make_batch(model, labelled(6), NAMES)
    eager, compiled = (Step(model, NAMES, [1.0] * 4, "mse", compiled=c) for c in (False, True))
    expected, found = (step(batch, torch.ones(4)) for step in (eager, compiled))
    assert compiled.compiled
    torch.testing.assert_close(found.terms, expected.terms, rtol=1e-9, atol=1e-12)
    for a, b in zip(found.gradients, expected.gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-9)
