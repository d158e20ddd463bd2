"""A model whose evaluation, derivatives included, is one compiled graph per set of outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from atnn.model.inputs import Inputs, Pairs
from atnn.model.model import Model
from atnn.model.tracing import compile_graph, trace
from atnn.structures import Elements, Neighbors, Structures


class CompiledModel:
    """Compiles at the first call for each set of outputs; later calls take any number of atoms and pairs.

    The weights are constants of the graph: make a new one after changing them.

    Args:
        model: The model.
    """

    def __init__(self, model: Model):
        self.model = model
        self._graphs: dict[tuple, Callable] = {}

    def __call__(self, inputs: Inputs, outputs: Sequence[str]) -> dict[str, Tensor]:
        """The asked outputs, detached."""
        tensors, given = flatten(inputs)
        key = (tuple(outputs), given)
        if key not in self._graphs:
            self._graphs[key] = self._compile(tensors, tuple(outputs), given)
        return dict(zip(outputs, self._graphs[key](*tensors), strict=True))

    def _compile(self, example: Sequence[Tensor], outputs: tuple[str, ...], given: tuple[bool, ...]) -> Callable:
        def evaluate(*tensors: Tensor) -> list[Tensor]:
            results = self.model.compute(unflatten(tensors, given), outputs)
            return [results[name].detach() for name in outputs]

        required = [parameter.requires_grad for parameter in self.model.parameters()]
        self.model.requires_grad_(False)
        try:
            return compile_graph(*trace(evaluate, example, dimensions(given)))
        finally:
            for parameter, value in zip(self.model.parameters(), required, strict=True):
                parameter.requires_grad_(value)


def flatten(inputs: Inputs) -> tuple[list[Tensor], tuple[bool, ...]]:
    """The tensors of the inputs in a fixed order, and which of the optional ones are there."""
    s = inputs.structures
    optional = (s.charge, s.spin, s.field)
    tensors = [s.positions, s.numbers, s.cell, s.pbc, s.batch, *(t for t in optional if t is not None)]
    tensors += [*inputs.near.neighbors, inputs.near.translations]
    if inputs.far is not None:
        tensors += [*inputs.far.neighbors, inputs.far.translations]
    if inputs.molecular is not None:
        tensors.append(inputs.molecular)
    tensors += [*inputs.elements, inputs.reference]
    return tensors, (*(t is not None for t in (*optional, inputs.far, inputs.molecular)),)


def dimensions(given: tuple[bool, ...]) -> list[tuple[str | None, ...]]:
    """Names of the sizes of :func:`flatten`'s tensors that vary from call to call."""
    structures = [("atoms", None), ("atoms",), ("structures", None, None), ("structures", None), ("atoms",)]
    optional = [("structures",), ("structures",), ("structures", None)]
    near, far = ([(name,), (name,), (name, None), (name,), ("atoms+1",), (name, None)] for name in ("pairs", "far"))
    elements = [("atoms",), ("blocks", "rows"), ("blocks", "rows"), ("blocks",), ("atoms",)]
    chosen = [names for names, there in zip(optional, given, strict=False) if there]
    more = [*(far if given[-2] else []), *([(None, "molecular")] if given[-1] else [])]
    return [*structures, *chosen, *near, *more, *elements, ("structures",)]


def unflatten(tensors: Sequence[Tensor], given: tuple[bool, ...]) -> Inputs:
    """Inverse of :func:`flatten`."""
    rest = iter(tensors)
    first = [next(rest) for _ in range(5)]
    structures = Structures(*first, *(next(rest) if there else None for there in given[:-2]))
    near, far = (Pairs(Neighbors(*(next(rest) for _ in Neighbors._fields)), next(rest)) if there else None
                 for there in (True, given[-2]))  # fmt: skip
    assert near is not None
    molecular = next(rest) if given[-1] else None
    elements = Elements(*(next(rest) for _ in Elements._fields))
    return Inputs(structures, near, far, molecular, elements, next(rest))
