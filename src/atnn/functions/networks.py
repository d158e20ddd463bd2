"""Networks applied to atoms: one per chemical element, as batched matrix products, or one for all elements."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from atnn.errors import SpecificationError
from atnn.functions.activations import Activated, Activation
from atnn.functions.species import PerElement, Species
from atnn.kernels import from_blocks, to_blocks
from atnn.structures import Elements

SMALLEST_SPREAD = 0.2  # least standard deviation of an input, relative to the largest one
MOST_WEIGHTS = 2**28  # of one network


class ElementNetwork(nn.Module):
    """Residual network applied to every atom, with weights per element or shared by all elements.

    ``x -> L_in x -> n times (x + L_b s(... L_1 s(x))) -> L_out s(x)``, as in REANN (doi:10.1063/5.0080766), with the
    activation s, which :class:`Activated` describes. Layer normalisation, if there is one, follows it within blocks.
    The last layer of each block and the output layer start small or from zero, so that training begins from a smooth
    function. The inputs are standardised by their mean and standard deviation in a sample of the data. A shared network
    sees the element through the biases of its first and last layer, which are functions of the electron shells. Its
    cost does not grow with the number of elements.

    Args:
        species: The elements, and whether they share the network.
        inputs: Width of the input.
        hidden: Widths of the layers of one residual block; the first is also the width between blocks.
        outputs: Width of the output.
        blocks: Number of residual blocks.
        output_scale: Factor on the initial weights of the output layer.
        known: Standard deviations of the last inputs, if they are known; these inputs have mean zero.
        activation: The activation.
        layer_norm: Normalise the layers of the residual blocks.
    """

    mean: Tensor
    spread: Tensor

    def __init__(
        self,
        species: Species,
        inputs: int,
        hidden: Sequence[int],
        outputs: int,
        blocks: int = 1,
        output_scale: float = 1.0,
        known: Sequence[float] = (),
        activation: Activation = "silu",
        layer_norm: bool = False,
    ):
        super().__init__()
        self.blocks = blocks
        self.layers_per_block = len(hidden)
        widths = [hidden[0], *hidden[1:], hidden[0]]
        _refuse_giants(len(species.numbers), [inputs, *widths * blocks, outputs])
        self.elements, self.shared = len(species.numbers), species.shared
        layer = functools.partial(SharedLinear if species.shared else ElementLinear, len(species.numbers))
        layers = [layer(inputs, hidden[0])]
        for _ in range(blocks):
            layers += [layer(a, b) for a, b in itertools.pairwise(widths)]
            with torch.no_grad():
                layers[-1].weight.mul_(0.1)
        layers.append(layer(hidden[0], outputs))
        with torch.no_grad():
            layers[-1].weight.mul_(output_scale)
        self.layers = nn.ModuleList(layers)
        self.activations = nn.ModuleList(
            Activated(species, width, activation, layer_norm and k < len(layers) - 2)
            for k, width in enumerate([*widths[:-1] * blocks, hidden[0]])
        )
        if species.shared:
            self.first = PerElement(species, torch.randn(len(species.numbers), hidden[0]))
            self.last = PerElement(species, torch.zeros(len(species.numbers), outputs))
        self.register_buffer("mean", torch.zeros(inputs))
        self.measured = inputs - len(known)
        self.register_buffer("spread", torch.cat([torch.ones(self.measured), torch.tensor(known)]))
        self.calibrating = False

    def forward(self, x: Float[Tensor, "atoms inputs"], elements: Elements) -> Float[Tensor, "atoms outputs"]:
        """Compute the outputs of every atom, in the order of the atoms."""
        if self.calibrating:
            self._calibrate(x)
        x = (x - self.mean) / self.spread
        if self.shared:
            x = self._layers(x, elements, self.first().index_select(0, elements.row))
            return x + self.last().index_select(0, elements.row)
        return from_blocks(self._layers(to_blocks(x, elements), elements), elements)

    @torch.no_grad()
    def start_from(self, values: Float[Tensor, "elements first"]) -> None:
        """Set the biases of the first outputs for each element."""
        first = values.shape[1]
        if self.shared:
            rows = self.last()
            rows[:, :first] = values
            self.last.start_from(rows)
        else:
            self.layers[-1].get_parameter("bias")[:, 0, :first] = values

    def start_from_means(self, means: Mapping[int, float] | None, numbers: Sequence[int]) -> None:
        """Start the first output from the mean of each element, keyed by atomic number; zero if it has none."""
        if means:
            rows = self.mean.new_tensor([means.get(z, 0.0) for z in numbers])
            self.start_from(rows[:, None])

    def _layers(self, x: Tensor, elements: Elements, embedding: Tensor | None = None) -> Tensor:
        layers, activations = iter(self.layers), iter(self.activations)
        x = next(layers)(x, elements)
        x = x if embedding is None else x + embedding
        for _ in range(self.blocks):
            y = x
            for _ in range(self.layers_per_block):
                y = next(layers)(next(activations)(y, elements), elements)
            x = x + y
        return next(layers)(next(activations)(x, elements), elements)

    def _calibrate(self, x: Float[Tensor, "atoms inputs"]) -> None:
        x = x[:, : self.measured]
        self.mean[: self.measured] = x.mean(0)
        spread = x.std(0, correction=0)
        # An input that hardly varies in this sample must not be blown up where it does vary.
        floor = max(SMALLEST_SPREAD * float(spread.max()), torch.finfo(x.dtype).tiny)
        varies = floor < float(spread.max())
        self.spread[: self.measured] = spread.clamp(min=floor) if varies else torch.ones_like(spread)


def _refuse_giants(elements: int, widths: Sequence[int]) -> None:
    """Refuse a network before its memory is asked for."""
    count = elements * sum(a * b for a, b in itertools.pairwise(widths))
    if count > MOST_WEIGHTS:
        raise SpecificationError(
            f"a network of {count:.1e} weights, more than {MOST_WEIGHTS:.0e}",
            where="model",
            remedy="choose narrower `hidden` layers or fewer features",
        )


class ElementLinear(nn.Module):
    """Affine map of blocks of atoms with one weight matrix per element; the initial weights preserve the variance."""

    def __init__(self, elements: int, inputs: int, outputs: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(elements, inputs, outputs) / math.sqrt(inputs))
        self.bias = nn.Parameter(torch.zeros(elements, 1, outputs))

    def forward(
        self, x: Float[Tensor, "blocks rows inputs"], elements: Elements
    ) -> Float[Tensor, "blocks rows outputs"]:
        """Apply the map of each block's element."""
        weight = self.weight.index_select(0, elements.block_element)
        bias = self.bias.index_select(0, elements.block_element)
        return torch.baddbmm(bias, x, weight)


class SharedLinear(nn.Module):
    """Affine map shared by all elements; the initial weights preserve the variance."""

    def __init__(self, elements: int, inputs: int, outputs: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs) / math.sqrt(inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Float[Tensor, "atoms inputs"], elements: Elements) -> Float[Tensor, "atoms outputs"]:
        """Apply the map to every atom."""
        return torch.addmm(self.bias, x, self.weight)
