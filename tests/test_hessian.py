"""Hessians: derivatives of the forces by the positions, as outputs and as labels."""

import sys

import numpy as np
import pytest
import torch
from ase.build import molecule

from atnn.data import Frames
from atnn.derivatives import contract
from atnn.interfaces.ase import Calculator
from atnn.model.compiled import CompiledModel
from atnn.neighbors import neighbor_pairs
from atnn.structures import Labelled, Structures
from atnn.training import evaluate as evaluate_errors
from atnn.training.step import Step, make_batch
from contracts.models import NAMES, SMALL_TERMS, evaluate, small_model
from systems import crystal, ethanol

EXACT = {"rtol": 1e-9, "atol": 1e-10}


def water():
    atoms = molecule("H2O")
    atoms.rattle(0.1, seed=0)
    return atoms


def test_it_is_the_derivative_of_the_forces():
    model = small_model("eann", terms=[SMALL_TERMS["zbl"], SMALL_TERMS["d3"]])
    for atoms in (water(), crystal()):
        hessian = evaluate(model, atoms, ("hessian",))["hessian"].reshape(len(atoms), len(atoms), 3, 3)
        step = 1e-4
        for b in range(len(atoms)):
            for y in range(3):
                forces = []
                for sign in (1, -1):
                    moved = atoms.copy()
                    moved.positions[b, y] += sign * step
                    forces.append(evaluate(model, moved, ("forces",))["forces"])
                slope = -(forces[0] - forces[1]) / (2 * step)
                torch.testing.assert_close(hessian[:, b, :, y], slope, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_symmetric_and_does_not_resist_a_shift_with_every_representation(name):
    model = small_model(name, outputs=("energy",))
    matrix = evaluate(model, water(), ("hessian",))["hessian"].reshape(3, 3, 3, 3)
    assert matrix.abs().max() > 1e-3
    torch.testing.assert_close(matrix, matrix.permute(1, 0, 3, 2), **EXACT)
    torch.testing.assert_close(matrix.sum(1), torch.zeros(3, 3, 3, dtype=torch.float64), rtol=0, atol=1e-9)


def test_a_batch_gives_what_single_structures_give():
    model, frames = small_model("equireann"), [ethanol(), water(), crystal()]
    together = evaluate(model, Structures.from_ase(frames), ("energy", "hessian", "forces"))["hessian"]
    single = [evaluate(model, atoms, ("hessian",))["hessian"] for atoms in frames]
    torch.testing.assert_close(together, torch.cat(single), **EXACT)


def test_a_compiled_model_gives_it_without_compiling():
    model = small_model("eann", outputs=("energy",))
    structures = Structures.from_ase([water(), ethanol()])
    inputs = model.prepare(structures, neighbor_pairs(structures, model.cutoff))
    found = CompiledModel(model)(inputs, ("energy", "hessian"))
    torch.testing.assert_close(found["hessian"], evaluate(model, structures, ("hessian",))["hessian"])


def test_ase_gets_it_as_a_matrix():
    model = small_model("eann", outputs=("energy",))
    atoms = water()
    found = Calculator(model).get_property("hessian", atoms)
    rows = evaluate(model, atoms, ("hessian",))["hessian"].reshape(3, 3, 3, 3).permute(0, 2, 1, 3)
    np.testing.assert_allclose(found, rows.reshape(9, 9).numpy(), rtol=1e-9, atol=1e-10)


def _labelled(model, frames):
    """Structures with the model's own values as labels; the last has no Hessian."""
    structures = Structures.from_ase(frames)
    labels = evaluate(model, structures, ("energy", "forces", "hessian"))
    masks = {name: torch.ones(len(frames), dtype=torch.bool) for name in labels}
    masks["hessian"] = torch.tensor([True] * (len(frames) - 1) + [False])
    return Labelled(structures, labels, masks)


def test_it_is_learned_by_its_product_with_a_vector():
    model = small_model("eann", outputs=("energy",))
    data = _labelled(model, [water(), ethanol(), water()])
    batch = make_batch(model, data, ("forces", "hessian"), seed=5)
    probe = batch.inputs.probe
    assert set(probe.unique().tolist()) == {-1.0, 1.0}
    found = model.compute(batch.inputs, ("forces", "hessian"))["hessian"]
    expected = contract(data.labels["hessian"], data.structures, probe)
    torch.testing.assert_close(found, expected, **EXACT)
    assert batch.counts.tolist() == [15 * 3, (3**2 + 9**2) * 9]


def test_the_mean_square_of_the_products_is_that_of_the_elements():
    structures = Structures.from_ase([water()])
    wrong = torch.randn(9, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    signs = torch.tensor(np.array(np.meshgrid(*[[-1.0, 1.0]] * 9)).reshape(9, -1).T)
    squares = [(contract(wrong, structures, v.reshape(3, 3)) ** 2).sum() for v in signs]
    torch.testing.assert_close(torch.stack(squares).mean(), (wrong**2).sum())


@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_its_loss_equal_finite_differences_with_every_representation(name, monkeypatch):
    if name == "acsf":  # whose compiled kernel has no third derivatives, and says so
        monkeypatch.setattr(sys.modules["atnn.kernels.triples"], "is_fused", lambda table: False)
    data = _labelled(small_model(name, outputs=("energy",), seed=1), [water(), water()])
    model = small_model(name, outputs=("energy",), seed=2)
    step = Step(model, ("forces", "hessian"), [0.5, 3.0], "mse", compiled=False)
    batch = make_batch(model, data, ("forces", "hessian"), seed=1)
    factors = torch.tensor([0.3, 1.0], dtype=torch.float64)
    result, h = step(batch, factors), 1e-5
    sizes = [float(gradient.abs().max()) for gradient in result.gradients]
    place = int(np.argmax(sizes))
    parameter, gradient = list(step.parameters.values())[place], result.gradients[place]
    index, values = gradient.abs().argmax(), []
    for sign in (1, -1):
        parameter.data.view(-1)[index] += sign * h
        values.append(float((step(batch, factors).terms * factors).sum()))
        parameter.data.view(-1)[index] -= sign * h
    assert gradient.reshape(-1)[index].item() == pytest.approx((values[0] - values[1]) / (2 * h), rel=1e-5)


@pytest.mark.compiled
@pytest.mark.usefixtures("traced_only")
def test_a_compiled_step_learns_it_as_an_eager_one():
    data = _labelled(small_model("eann", outputs=("energy",), seed=1), [water(), ethanol()])
    model, names = small_model("eann", outputs=("energy",), seed=2), ("energy", "forces", "hessian")
    factors = torch.ones(3, dtype=torch.float64)
    eager, compiled = (Step(model, names, [1.0, 0.5, 3.0], "mse", compiled=c) for c in (False, True))
    for seed in (0, 1):
        batch = make_batch(model, data, names, seed)
        first, second = eager(batch, factors), compiled(batch, factors)
        assert compiled.compiled
        torch.testing.assert_close(second.terms, first.terms)
        torch.testing.assert_close(list(second.gradients), list(first.gradients), rtol=1e-8, atol=1e-10)


def test_errors_are_those_of_all_elements():
    model, other = (small_model("eann", outputs=("energy",), seed=seed) for seed in (1, 2))
    data = _labelled(other, [water(), ethanol(), water()])
    errors = evaluate_errors(model, Frames(data), ["hessian"])["hessian"]
    assert errors.predicted.shape == (3**2 + 9**2, 3, 3)
    difference = evaluate(model, data.structures, ("hessian",))["hessian"] - data.labels["hessian"]
    assert errors.rmse == pytest.approx(float((difference[:90] ** 2).mean() ** 0.5))
