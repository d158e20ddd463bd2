"""One training step: losses and the gradient of all weights, evaluated eagerly or as one compiled graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from atnn.atoms import MINIMAL_VOLUME
from atnn.derivatives import contract, is_second, parameter_gradients
from atnn.model import Inputs, Model
from atnn.model.inputs import ROWS, Given, flatten_inputs, name_sizes, unflatten_inputs
from atnn.model.tracing import try_compile
from atnn.neighbors import neighbor_pairs
from atnn.quantities import QUANTITIES, Axis
from atnn.structures import Labelled
from atnn.training.loss import count_labels, label_errors, sum_losses


class Batch(NamedTuple):
    """What a step needs: the inputs of the model, labels, masks of their rows, and the numbers of labelled values."""

    inputs: Inputs
    labels: dict[str, Tensor]
    masks: dict[str, Tensor]
    counts: Float[Tensor, " quantities"]


class StepResult(NamedTuple):
    """Sums of loss terms and squared errors over the batch, and the gradient of the weighted loss.

    The sums are not yet divided by the numbers of labelled values.
    """

    terms: Float[Tensor, " quantities"]
    squares: Float[Tensor, " quantities"]
    gradients: tuple[Tensor, ...]


def make_batch(model: Model, labelled: Labelled, names: Sequence[str], seed: int = 0) -> Batch:
    """Make a batch of labelled structures on the model's device; missing quantities are masked out.

    A Hessian is not learned element by element, which would take three more differentiations for each atom, but by its
    product with one random vector of signs ``v`` in each step. The expected square of the error of this product,
    ``|dH v|^2``, is the sum ``|dH|^2`` of the squared errors of all elements.

    Args:
        model: The model.
        labelled: The structures.
        names: Quantities in the loss.
        seed: Seed of the random vector.
    """
    structures = labelled.structures
    inputs = model.prepare(structures, neighbor_pairs(structures, model.cutoff))
    if any(QUANTITIES[name].per_volume for name in names):
        inputs = _add_volumes(inputs)
    seconds = [name for name in names if is_second(QUANTITIES[name])]
    if seconds:
        signs = torch.randint(0, 2, structures.positions.shape, generator=torch.Generator().manual_seed(seed))
        probe = 2.0 * signs.double() - 1.0
        inputs = inputs._replace(probe=probe.to(model.device, model.dtype))
    labels, masks, known, device = {}, {}, {}, model.device
    for name in names:
        if name in labelled.labels:
            label, mask = labelled.labels[name], labelled.masks[name]
        else:
            q = QUANTITIES[name]
            label = torch.zeros((structures.totals[q.axis], *q.shape), dtype=torch.float64)
            mask = torch.zeros(len(structures), dtype=torch.bool)
        labels[name] = label.to(device, torch.float64 if QUANTITIES[name].referenced else model.dtype)
        known[name] = mask
        masks[name] = mask[structures.rows(_learned_shape(name)[0])].to(device)
        if name in seconds:
            labels[name] = contract(label.double(), structures, probe).to(device, model.dtype)
    return Batch(inputs, labels, masks, count_labels(labelled._replace(masks=known), names))


def _learned_shape(name: str) -> tuple[Axis, tuple[int, ...]]:
    """Axis and shape of what the loss compares; a Hessian is compared by its product with a vector."""
    row = QUANTITIES[name]
    return ("atom", (3,)) if is_second(row) else (row.axis, row.shape)


def _add_volumes(inputs: Inputs) -> Inputs:
    """Give molecules a cell of unit volume.

    Their stress is masked out of the loss, but division by a volume of zero would still make the whole gradient NaN.
    The cell changes nothing else, because the pairs are already known.
    """
    structures = inputs.structures
    flat = structures.volumes < MINIMAL_VOLUME
    cell = torch.where(flat[:, None, None], torch.eye(3).to(structures.cell), structures.cell)
    return inputs._replace(structures=structures.replace(cell=cell))


class Step:
    """Losses and gradients of a model for the quantities of a run.

    Args:
        model: The model; its parameters are read at every call.
        names: Quantities in the loss.
        spreads: Spread of the training labels of each quantity.
        loss: ``mse`` or ``huber``.
        modulo: Whether dipoles of periodic structures are compared modulo the quanta of polarisation.
        compiled: Whether to trace the whole step, including both derivatives, and compile it. Where compilation fails,
            the step warns and runs eagerly.
    """

    def __init__(
        self,
        model: Model,
        names: Sequence[str],
        spreads: Sequence[float],
        loss: str,
        compiled: bool,
        modulo: bool = False,
    ):
        self.model, self.names, self.loss, self.compiled = model, tuple(names), loss, compiled
        self.parameters = dict(model.named_parameters())
        self._module = _ModelLoss(model, self.names, loss, modulo)
        self._spreads = torch.tensor(list(spreads), dtype=model.dtype, device=model.device)
        self._graphs: dict[Given, Callable] = {}

    def __call__(self, batch: Batch, factors: Float[Tensor, " quantities"]) -> StepResult:
        """Compute the sums and the gradient of ``sum_q factors_q terms_q``."""
        tensors, given = flatten_inputs(batch.inputs)
        arguments = [
            *self.parameters.values(),
            *tensors,
            *batch.labels.values(),
            *batch.masks.values(),
            self._spreads,
            factors.to(self._spreads),
        ]
        if given not in self._graphs:
            self._graphs[given] = self._make_graph(arguments, given)
        terms, squares, *gradients = self._graphs[given](*(a.detach() for a in arguments))
        # The fused optimizer assumes that a gradient has the memory layout of its parameter.
        return StepResult(terms, squares, tuple(gradient.contiguous() for gradient in gradients))

    def _function(self, given: Given) -> Callable:
        names, count = list(self.parameters), len(name_sizes(given))

        def evaluate(*arguments: Tensor) -> list[Tensor]:
            parameters = [a.detach().requires_grad_(True) for a in arguments[: len(names)]]
            rest = list(arguments[len(names) :])
            inputs, rest = unflatten_inputs(rest[:count], given), rest[count:]
            labels = dict(zip(self.names, rest, strict=False))
            masks = dict(zip(self.names, rest[len(self.names) :], strict=False))
            spreads, factors = rest[-2:]
            values = {f"model.{name}": p for name, p in zip(names, parameters, strict=True)}
            terms, squares = functional_call(self._module, values, (inputs, labels, masks, spreads))
            loss = (terms * factors).sum()
            gradients = parameter_gradients(loss, parameters)
            return [terms.detach(), squares, *gradients]

        return evaluate

    def _make_graph(self, arguments: Sequence[Tensor], given: Given) -> Callable:
        """Compile the step, or leave it as it is where it shall not or cannot be compiled."""
        if not self.compiled:
            return self._function(given)
        fixed = [(None,) * p.dim() for p in self.parameters.values()]
        shapes = [_learned_shape(name) for name in self.names]
        masks = [(ROWS[axis],) for axis, _ in shapes]
        labels = [(ROWS[axis], *(None,) * len(shape)) for axis, shape in shapes]
        names = [*fixed, *name_sizes(given), *labels, *masks, (None,), (None,)]
        graph = try_compile(self._function(given), [a.detach() for a in arguments], names, "the training step")
        self.compiled = graph is not None
        return graph or self._function(given)


class _ModelLoss(nn.Module):
    """The model and the loss as one module, so that the weights can be passed as arguments."""

    def __init__(self, model: Model, names: Sequence[str], loss: str, modulo: bool):
        super().__init__()
        self.model, self.names, self.loss, self.modulo = model, tuple(names), loss, modulo

    def forward(self, inputs: Inputs, labels: dict, masks: dict, spreads: Tensor) -> tuple[Tensor, Tensor]:
        predicted = self.model.compute(inputs, self.names, create_graph=True)
        return sum_losses(label_errors(predicted, labels, masks, inputs, self.modulo), spreads, self.loss)
