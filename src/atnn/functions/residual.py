"""Residual networks of SpookyNet with learned activations; several networks of one shape are evaluated at once.

O. T. Unke et al., Nat. Commun. 2021, 12, 7273, doi:10.1038/s41467-021-27504-0.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

SLOPE = 1.702  # initial beta of the activation, which makes it close to a Gaussian error linear unit
GAIN = 1.5  # initial gain that preserves the variance of a normal variable through that activation
SMALL = 0.1  # initial gain of layers whose output is added to the input


class Activated(nn.Module):
    """Generalised SiLU and a linear map, ``sigma(x) W + b`` with ``sigma(x) = alpha x / (1 + exp(-beta x))``.

    alpha and beta are learned for every feature. They start from 1 and 1.702.

    Args:
        features: Width of input and output.
        networks: Number of maps, each with its own parameters.
        gain: Scale of the initial weights W.
        bias: Include b. Without it, zero maps to zero.
    """

    def __init__(self, features: int, networks: int = 1, gain: float = GAIN, bias: bool = True):
        super().__init__()
        self.shape = (networks, 1, features)
        # Vectors are kept flat: optimizers take parameters of two and more dimensions for matrices.
        self.alpha = nn.Parameter(torch.ones(networks * features))
        self.beta = nn.Parameter(torch.full((networks * features,), SLOPE))
        self.weight = nn.Parameter(torch.randn(networks, features, features) * (gain / math.sqrt(features)))
        self.bias = nn.Parameter(torch.zeros(networks * features)) if bias else None

    def activation(self, x: Float[Tensor, "#networks atoms features"]) -> Float[Tensor, "networks atoms features"]:
        """Apply the activation of every network."""
        return self.alpha.reshape(self.shape) * x * torch.sigmoid(self.beta.reshape(self.shape) * x)

    def forward(self, x: Float[Tensor, "#networks atoms features"]) -> Float[Tensor, "networks atoms features"]:
        """Compute the output of every network; all may share one input."""
        x = self.activation(x)
        if self.bias is None:
            return torch.bmm(x, self.weight)
        return torch.baddbmm(self.bias.reshape(self.shape), x, self.weight)


class Residual(nn.Module):
    """Residual block ``x + W2 sigma(W1 sigma(x) + b1) + b2``.

    Args:
        features: Width.
        networks: Number of blocks, each with its own parameters.
        bias: Include b1 and b2.
    """

    def __init__(self, features: int, networks: int = 1, bias: bool = True):
        super().__init__()
        self.first = Activated(features, networks, bias=bias)
        self.second = Activated(features, networks, gain=SMALL, bias=bias)

    def forward(self, x: Float[Tensor, "#networks atoms features"]) -> Float[Tensor, "networks atoms features"]:
        """Compute the output of every block."""
        return x + self.second(self.first(x))


class ResidualNetwork(nn.Module):
    """A residual block, an activation and a linear map: the publication's "resmlp".

    Args:
        features: Width.
        networks: Number of networks, each with its own parameters.
        gain: Scale of the initial weights of the last map.
        bias: Give the layers biases. Without them, zero maps to zero.
    """

    def __init__(self, features: int, networks: int = 1, gain: float = GAIN, bias: bool = True):
        super().__init__()
        self.block = Residual(features, networks, bias)
        self.last = Activated(features, networks, gain, bias)

    def forward(self, x: Float[Tensor, "#networks atoms features"]) -> Float[Tensor, "networks atoms features"]:
        """Compute the output of every network."""
        return self.last(self.block(x))
