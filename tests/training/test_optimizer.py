"""Orthogonal steps, and which parameters take them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from atnn.functions import ElementNetwork, PerElement, Species
from atnn.training import TrainingConfig
from atnn.training.optimizer import Muon, build_optimizers, orthogonalize


@given(rows=st.integers(1, 12), columns=st.integers(1, 12), scale=st.sampled_from([1e-6, 1.0, 1e6]))
def test_singular_vectors_stay_and_singular_values_come_near_one(rows, columns, scale):
    generator = torch.Generator().manual_seed(rows * 20 + columns)
    u, s, vh = torch.linalg.svd(
        torch.randn(3, rows, columns, generator=generator, dtype=torch.float64), full_matrices=False
    )
    s = s.clamp(min=0.05 * float(s.max()))
    result = orthogonalize(scale * u @ torch.diag_embed(s) @ vh)
    inner = u.mT @ result @ vh.mT
    values = inner.diagonal(dim1=-2, dim2=-1)
    assert torch.allclose(inner, torch.diag_embed(values), atol=1e-9)
    assert values.min() > 0.4 and values.max() < 1.3


def test_a_vanishing_gradient_moves_nothing():
    weight = nn.Parameter(torch.ones(2, 3, 4))
    weight.grad = torch.zeros_like(weight)
    Muon([weight], 0.1, 0.0).step()
    assert torch.equal(weight, torch.ones(2, 3, 4))


def test_the_first_step_follows_the_gradient_of_the_size_of_the_rate_and_the_weights_decay():
    generator = torch.Generator().manual_seed(1)
    gradient = torch.linalg.qr(torch.randn(16, 16, generator=generator, dtype=torch.float64)).Q
    weight = nn.Parameter(torch.full((1, 16, 16), 2.0, dtype=torch.float64))
    weight.grad = 7.0 * gradient[None]
    Muon([weight], learning_rate=0.01, weight_decay=0.5).step()
    step = weight.detach()[0] - 2.0 * (1 - 0.01 * 0.5)
    along = -(step * gradient).sum() / step.norm() / gradient.norm()
    assert along == pytest.approx(1.0, abs=1e-6)
    assert float(torch.linalg.matrix_norm(step, 2)) == pytest.approx(0.01, rel=0.3)


def test_matrices_of_equal_size_in_several_parameters_step_as_they_would_alone():
    generator = torch.Generator().manual_seed(2)
    shapes = [(4, 5), (3, 4, 5), (5, 4)]
    together = [nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
    alone = [nn.Parameter(p.detach().clone()) for p in together]
    gradients = [torch.randn(shape, generator=generator) for shape in shapes]
    optimizers = [Muon(together, 0.1, 0.0), *(Muon([p], 0.1, 0.0) for p in alone)]
    for _ in range(3):
        for parameters in (together, alone):
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient.clone()
        for optimizer in optimizers:
            optimizer.step()
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(together, alone, strict=True))


class Mixed(nn.Module):
    """Weights of all kinds."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 4)
        self.stack = nn.Parameter(torch.randn(2, 3, 3))
        self.table = PerElement(Species((1, 8)), torch.randn(2, 6))
        self.scale = nn.Parameter(torch.tensor(1.0))
        self.network = ElementNetwork(Species((1, 8)), 5, (4,), 1)


def test_matrices_take_orthogonal_steps_and_biases_and_what_belongs_to_elements_do_not():
    model = Mixed()
    muon, adam = build_optimizers(TrainingConfig(), model)
    assert {id(p) for p in muon.param_groups[0]["params"]} == {id(model.linear.weight), id(model.stack)}
    rest = [model.linear.bias, *model.table.parameters(), model.scale, *model.network.parameters()]
    assert {id(p) for group in adam.param_groups for p in group["params"]} == {id(p) for p in rest}
    (adam,) = build_optimizers(TrainingConfig(optimizer="adam"), model)
    assert sum(len(group["params"]) for group in adam.param_groups) == len(list(model.parameters()))


@pytest.mark.parametrize("optimizer", ["muon", "adam"])
def test_matrices_decay_and_nothing_else_does(optimizer):
    """Biases, tables and scales stay where they are without gradients."""
    model = Mixed()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for one in build_optimizers(TrainingConfig(optimizer=optimizer, weight_decay=0.5, learning_rate=0.1), model):
        for p in model.parameters():
            p.grad = torch.zeros_like(p)
        one.step()
    for name, p in model.named_parameters():
        weight = name in ("linear.weight", "stack") or (name.startswith("network.layers") and name.endswith("weight"))
        assert torch.allclose(p, before[name] * (0.95 if weight else 1.0), atol=1e-7), name


def test_orthogonal_steps_solve_an_ill_conditioned_problem_that_adam_does_not():
    """Least squares with inputs on scales of 1 to 1000, the same number of steps and the better of several rates."""
    generator = torch.Generator().manual_seed(3)
    rotation = torch.linalg.qr(torch.randn(12, 12, generator=generator)).Q
    inputs = torch.randn(400, 12, generator=generator) * torch.logspace(0, -3, 12) @ rotation
    targets = inputs @ torch.linalg.qr(torch.randn(12, 12, generator=generator)).Q

    def solved(optimizer):
        losses = []
        for rate in (0.003, 0.01, 0.03):
            model = nn.Linear(12, 12, bias=False)
            nn.init.zeros_(model.weight)
            (best,) = build_optimizers(TrainingConfig(optimizer=optimizer, learning_rate=rate), model)
            for step in range(400):
                best.param_groups[0]["lr"] = rate * (1 - step / 400)
                loss = (model(inputs) - targets).square().sum(1).mean()
                model.zero_grad()
                loss.backward()
                best.step()
            losses.append(loss.item())
        return min(losses)

    assert solved("muon") < 0.1 * solved("adam")
