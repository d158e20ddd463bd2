"""A compiled model evaluates each set of outputs, with all derivatives, by one graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from atnn.derivatives import derivation, is_second
from atnn.model.inputs import Given, Inputs, flatten_inputs, name_sizes, unflatten_inputs
from atnn.model.model import Model
from atnn.model.tracing import try_compile


class CompiledModel:
    """A model compiled at the first call for each set of outputs; later calls take any number of atoms and pairs.

    Where compilation fails, one warning says so, and the model runs eagerly from then on. The graph holds the weights
    as constants. Make a new object after changing them.

    Args:
        model: The model.
    """

    def __init__(self, model: Model):
        self.model = model
        self._graphs: dict[tuple, Callable] = {}
        self._compiles = True

    def __call__(self, inputs: Inputs, outputs: Sequence[str]) -> dict[str, Tensor]:
        """Compute the requested outputs, detached."""
        tensors, given = flatten_inputs(inputs)
        key = (tuple(outputs), given)
        if key not in self._graphs:
            self._graphs[key] = self._compile(tensors, tuple(outputs), given)
        return dict(zip(outputs, self._graphs[key](*tensors), strict=True))

    def _compile(self, example: Sequence[Tensor], outputs: tuple[str, ...], given: Given) -> Callable:
        def evaluate(*tensors: Tensor) -> list[Tensor]:
            results = self.model.compute(unflatten_inputs(tensors, given), outputs)
            return [results[name].detach() for name in outputs]

        # Second derivatives by the positions are a loop over atoms, whose number would be fixed in a graph.
        if not self._compiles or any(is_second(row) for row in derivation(outputs, self.model.given)):
            return evaluate
        required = [parameter.requires_grad for parameter in self.model.parameters()]
        self.model.requires_grad_(False)
        try:
            graph = try_compile(evaluate, example, name_sizes(given), f"the model ({', '.join(outputs)})")
        finally:
            for parameter, value in zip(self.model.parameters(), required, strict=True):
                parameter.requires_grad_(value)
        self._compiles = graph is not None
        return graph or evaluate
