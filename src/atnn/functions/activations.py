"""Activations of the layers of networks: fixed ones, and those of the REANN package, which learn their scales.

Y. Zhang, J. Xia, B. Jiang, J. Chem. Phys. 2022, 156, 114801, doi:10.1063/5.0080766, and its package,
https://github.com/zhangylch/REANN.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, silu

from atnn.functions.species import Species
from atnn.structures import Elements

Activation = Literal["silu", "relu_like", "tanh_like"]
LEARNED: tuple[Activation, ...] = ("relu_like", "tanh_like")


class ElementVector(nn.Module):
    """A learned vector for each element, or one for all of them, that applies to a layer of a network.

    Args:
        species: The elements, and whether they share networks.
        width: Width of the layer.
        start: Value from which all components start.
    """

    def __init__(self, species: Species, width: int, start: float):
        super().__init__()
        self.shared, self.width = species.shared, width
        # Kept flat: optimizers take parameters of two and more dimensions for matrices.
        self.values = nn.Parameter(torch.full(((1 if species.shared else len(species.numbers)) * width,), start))

    def forward(self, elements: Elements) -> Tensor:
        """Return the vector of each block of atoms, [blocks, 1, width], or the one of all atoms, [width]."""
        if self.shared:
            return self.values
        return self.values.reshape(-1, 1, self.width).index_select(0, elements.block_element)


class Activated(nn.Module):
    """An activation, then a layer normalisation if there is one.

        silu:       x / (1 + exp(-x))
        relu_like:  alpha beta x / (1 + exp(-beta x))
        tanh_like:  alpha x / sqrt(1 + (beta x)^2)

    alpha and beta are learned for every unit and element. They start from 1, because inputs of our networks are
    standardised; in the published code beta starts from 1 / width, and alpha of ``tanh_like`` from 1 / sqrt(width). The
    normalisation takes the mean and the standard deviation of the units of one atom, and learns a factor and a shift.

    Args:
        species: The elements, and whether they share networks.
        width: Width of the layer.
        activation: Which one.
        normalized: Normalise the layer after it.
    """

    def __init__(self, species: Species, width: int, activation: Activation = "silu", normalized: bool = False):
        super().__init__()
        self.activation, self.normalized = activation, normalized
        if activation in LEARNED:
            self.alpha, self.beta = (ElementVector(species, width, 1.0) for _ in range(2))
        if normalized:
            self.factor, self.shift = (ElementVector(species, width, start) for start in (1.0, 0.0))

    def forward(self, x: Tensor, elements: Elements) -> Tensor:
        """Apply them to the units of every atom, in blocks of one element or in their own order."""
        x = self._activate(x, elements)
        if not self.normalized:
            return x
        return self.factor(elements) * layer_norm(x, x.shape[-1:]) + self.shift(elements)

    def _activate(self, x: Tensor, elements: Elements) -> Tensor:
        if self.activation == "silu":
            return silu(x)
        alpha, scaled = self.alpha(elements), self.beta(elements) * x
        if self.activation == "relu_like":
            return alpha * silu(scaled)
        return alpha * x * torch.rsqrt(1.0 + scaled * scaled)
