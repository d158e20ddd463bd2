"""Residual networks of SpookyNet against their equations, written out for one network and one atom."""

import numpy as np
import torch

from atnn.functions.residual import Activated, Residual, ResidualNetwork


def randomised(module):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / parameter.shape[-1] ** 0.5)
    return module.double()


def layer(module, network, x):
    """``(alpha x / (1 + exp(-beta x))) W + b`` of one network in NumPy."""
    width = len(x)
    own = slice(network * width, (network + 1) * width)
    alpha, beta = (p.detach().numpy()[own] for p in (module.alpha, module.beta))
    bias = 0.0 if module.bias is None else module.bias.detach().numpy()[own]
    return (alpha * x / (1 + np.exp(-beta * x))) @ module.weight.detach().numpy()[network] + bias


def test_the_activation_starts_close_to_that_of_a_gaussian_error_linear_unit():
    x = torch.linspace(-4, 4, 50).double()[None, :, None].expand(1, 50, 3)
    found = Activated(3).double().activation(x)
    torch.testing.assert_close(found, torch.nn.functional.gelu(x), rtol=0, atol=0.021)


def test_every_network_follows_the_published_equations():
    x, networks = torch.randn(2, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)), 2
    block, network = randomised(Residual(4, networks)), randomised(ResidualNetwork(4, networks))
    found = block(x), network(x)
    for n in range(networks):
        for atom in range(5):
            row = x[n, atom].numpy()
            residual = row + layer(block.second, n, layer(block.first, n, row))
            np.testing.assert_allclose(found[0][n, atom].detach(), residual, rtol=1e-12)
            inner = row + layer(network.block.second, n, layer(network.block.first, n, row))
            np.testing.assert_allclose(found[1][n, atom].detach(), layer(network.last, n, inner), rtol=1e-12)


def test_one_input_serves_all_networks():
    x, network = torch.randn(1, 5, 4, dtype=torch.float64), randomised(ResidualNetwork(4, 3))
    torch.testing.assert_close(network(x), network(x.expand(3, 5, 4)))


def test_without_biases_zero_remains_zero():
    network = randomised(ResidualNetwork(4, bias=False))
    assert network(torch.zeros(1, 3, 4).double()).abs().max() == 0
    assert all("bias" not in name for name, _ in network.named_parameters())


def test_vectors_are_not_taken_for_matrices():
    shapes = {name.rsplit(".")[-1]: parameter.dim() for name, parameter in ResidualNetwork(4, 2).named_parameters()}
    assert shapes == {"alpha": 1, "beta": 1, "bias": 1, "weight": 3}
