"""Learned activations and the layer normalisation of networks."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from atnn.functions import ElementNetwork, Species
from atnn.functions.activations import Activated
from atnn.model.inputs import group_elements
from contracts.models import evaluate, small_model
from systems import ethanol

ROWS = torch.tensor([0, 1, 1, 0, 1])
ACTIVATIONS = ["silu", "relu_like", "tanh_like"]


def make_network(shared, activation="relu_like", layer_norm=True):
    torch.manual_seed(1)
    network = ElementNetwork(
        Species((1, 8), shared), 4, (6, 5), 3, blocks=2, activation=activation, layer_norm=layer_norm
    )
    network = network.double()
    with torch.no_grad():
        for parameter in network.activations.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return network


def elements():
    return group_elements(ROWS, 2, torch.float64)


def published(activation, x, alpha, beta):
    if activation == "relu_like":
        return alpha * (beta * x) / (1 + np.exp(-beta * x))
    return alpha * x / np.sqrt(1 + (beta * x) ** 2)


@pytest.mark.parametrize("activation", ["relu_like", "tanh_like"])
def test_learned_activations_are_those_of_the_published_code(activation):
    layer = Activated(Species((1, 8)), 3, activation).double()
    generator = np.random.default_rng(0)
    alpha, beta, x = generator.normal(size=(2, 3)), generator.normal(size=(2, 3)), generator.normal(size=(5, 3))
    with torch.no_grad():
        layer.alpha.values.copy_(torch.from_numpy(alpha.ravel()))
        layer.beta.values.copy_(torch.from_numpy(beta.ravel()))
    blocks = elements()
    found = layer(torch.from_numpy(x)[blocks.slots], blocks).flatten(0, 1)[blocks.place].detach()
    expected = [published(activation, row, alpha[z], beta[z]) for row, z in zip(x, ROWS, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_a_normalised_layer_has_mean_zero_and_spread_one_before_factor_and_shift():
    layer = Activated(Species((1, 8), shared=True), 40, "tanh_like", normalized=True).double()
    found = layer(3.0 + 5.0 * torch.randn(5, 40, dtype=torch.float64), elements())
    torch.testing.assert_close(found.mean(1), torch.zeros(5, dtype=torch.float64), rtol=0, atol=1e-12)
    assert found.std(1, correction=0).sub(1.0).abs().max() < 1e-4  # less by the 1e-5 that is added to the variance
    with torch.no_grad():
        layer.factor.values.fill_(2.0)
        layer.shift.values.fill_(7.0)
    moved = layer(torch.randn(5, 40, dtype=torch.float64), elements())
    torch.testing.assert_close(moved.mean(1), torch.full((5,), 7.0, dtype=torch.float64))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shared", [False, True])
def test_first_and_second_derivatives_pass_gradcheck(activation, shared):
    network, blocks = make_network(shared, activation), elements()
    x = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: network(x, blocks), x) and gradgradcheck(lambda x: network(x, blocks), x)


def test_atoms_do_not_depend_on_each_other():
    network, x = make_network(shared=False), torch.randn(5, 4, dtype=torch.float64)
    alone = network(x[2:3], group_elements(ROWS[2:3], 2, torch.float64))
    torch.testing.assert_close(network(x, elements())[2:3], alone, rtol=1e-12, atol=1e-12)


def test_learned_activations_start_from_fixed_ones():
    small = [small_model("reann", activation=name) for name in ("silu", "relu_like")]
    a, b = (evaluate(model, ethanol()) for model in small)
    torch.testing.assert_close(a["forces"], b["forces"], rtol=1e-12, atol=1e-12)


def test_optimizers_take_learned_scales_for_no_matrices():
    assert all(p.dim() == 1 for p in make_network(shared=False).activations.parameters())
