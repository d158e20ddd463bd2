"""Learned functions of the distance between two atoms and of their elements."""

from __future__ import annotations

import itertools
import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import silu

from atnn.functions import PerElement, Species, polynomial
from atnn.structures import Edges, Elements

CODE, HIDDEN = 8, 32  # numbers that represent an element, and hidden units for a pair of elements
GAIN = 1.6  # preserves the variance of a normal variable through silu
# Initial amplitude; the radial functions are then about 0.6 at bond length. With a larger one, units vary within 0.1
# Angstrom: they fit faster, but fail for bonds that are longer or shorter than in the training data.
AMPLITUDE = 0.3


class PairFunctions(nn.Module):
    """Radial functions of a pair of elements, smooth at the cutoff.

        x_k(r) = e_{zz',k} sqrt(2) / pi  sin(a_{zz',k} r / r_c) / (r / r_c)  f(r / r_c)^2

    A network of the codes of both elements gives the widths a, which start at k pi, and the factors e, which start
    small. f is the polynomial envelope; its square vanishes at the cutoff together with five derivatives.

    Args:
        species: The elements.
        count: Number of functions.
        cutoff: Cutoff radius [Angstrom].
    """

    def __init__(self, species: Species, count: int, cutoff: float):
        super().__init__()
        self.cutoff = cutoff
        self.codes = PerElement(species, torch.randn(len(species.numbers), CODE))
        self.hidden = nn.Linear(2 * CODE, HIDDEN)
        self.widths, self.factors = nn.Linear(HIDDEN, count), nn.Linear(HIDDEN, count)
        with torch.no_grad():
            self.widths.weight.mul_(0.3)
            self.widths.bias.copy_(math.pi * torch.arange(1, count + 1))
            self.factors.weight.mul_(AMPLITUDE)
            self.factors.bias.fill_(AMPLITUDE)

    def forward(self, edges: Edges, elements: Elements) -> Float[Tensor, "pairs functions"]:
        """Evaluate the functions for every pair."""
        codes = self.codes()
        known = codes.shape[0]
        both = torch.cat([codes.repeat_interleave(known, 0), codes.repeat(known, 1)], dim=1)
        hidden = silu(self.hidden(both))
        table = torch.cat([self.widths(hidden), self.factors(hidden)], dim=1)
        kind = elements.row.index_select(0, edges.i) * known + elements.row.index_select(0, edges.j)
        widths, factors = table.index_select(0, kind).chunk(2, dim=1)
        x = (edges.lengths / self.cutoff)[:, None]
        return factors * (math.sqrt(2.0) / math.pi) * torch.sin(widths * x) / x * self.envelope(edges)

    def envelope(self, edges: Edges) -> Float[Tensor, "pairs 1"]:
        """Evaluate the squared polynomial envelope."""
        value = polynomial(edges.lengths / self.cutoff)[:, None]
        return value * value


class PairNetwork(nn.Module):
    """Network applied to the scalars of a pair, without a bias in the last layer.

    Args:
        inputs: Number of scalars.
        hidden: Widths of the hidden layers; none for a linear map.
        outputs: Number of results.
    """

    def __init__(self, inputs: int, hidden: tuple[int, ...], outputs: int):
        super().__init__()
        widths = [inputs, *hidden, outputs]
        self.weights = nn.ParameterList(torch.randn(a, b) / math.sqrt(a) for a, b in itertools.pairwise(widths))
        self.biases = nn.ParameterList(torch.zeros(width) for width in hidden)

    def forward(self, x: Float[Tensor, "pairs inputs"]) -> Float[Tensor, "pairs outputs"]:
        """Evaluate the network for every pair."""
        for weight, bias in zip(self.weights, self.biases, strict=False):
            x = GAIN * silu(torch.addmm(bias, x, weight))
        return x @ self.weights[-1]


class PairUnits(nn.Module):
    """One hidden layer applied to the scalars of a pair, ``silu(x W + b)``.

    Args:
        inputs: Number of scalars.
        units: Number of units.
    """

    def __init__(self, inputs: int, units: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, units) / math.sqrt(inputs))
        self.bias = nn.Parameter(torch.zeros(units))

    def forward(self, x: Float[Tensor, "pairs inputs"]) -> Float[Tensor, "pairs units"]:
        """Evaluate the units for every pair."""
        return GAIN * silu(torch.addmm(self.bias, x, self.weight))
