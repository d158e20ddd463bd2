"""Functions with data-dependent control flow as single operations of a compiled graph, differentiable twice.

Sums over all pairs or over waves have a number of terms that depends on positions and cells. A compiled graph cannot
contain such sums.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

FUNCTIONS: dict[str, Callable[..., Tensor]] = {}

_ARGUMENTS = "Tensor[] variables, Tensor[] constants, str name, float[] settings"
torch.library.define("atnn::opaque", f"({_ARGUMENTS}) -> Tensor")
torch.library.define("atnn::opaque_gradient", f"(Tensor upstream, {_ARGUMENTS}) -> Tensor[]")
torch.library.define("atnn::opaque_second", f"(Tensor[] cotangents, Tensor upstream, {_ARGUMENTS}) -> Tensor[]")


def call_opaque(
    name: str, variables: Sequence[Tensor], constants: Sequence[Tensor], settings: Sequence[float]
) -> Float[Tensor, " rows"]:
    """Call ``function(variables, constants, settings)`` of :data:`FUNCTIONS`.

    Args:
        name: Key of the function, which returns one float64 number for each row of the last constant.
        variables: Tensors by which the value can be differentiated.
        constants: Tensors by which it is not differentiated.
        settings: Numbers.

    Returns:
        Value of the function.
    """
    return _Value.apply(name, tuple(settings), tuple(constants), *variables)


class _Value(torch.autograd.Function):
    @staticmethod
    def forward(ctx, name, settings, constants, *variables):
        ctx.save_for_backward(*variables)
        ctx.rest = (constants, name, settings)
        return torch.ops.atnn.opaque(variables, *ctx.rest)

    @staticmethod
    def backward(ctx, upstream):
        return None, None, None, *_Gradient.apply(upstream, *ctx.rest, *ctx.saved_tensors)


class _Gradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, upstream, constants, name, settings, *variables):
        ctx.save_for_backward(upstream, *variables)
        ctx.rest = (constants, name, settings)
        return tuple(torch.ops.atnn.opaque_gradient(upstream, variables, *ctx.rest))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, *cotangents):
        upstream, *variables = ctx.saved_tensors
        by_upstream, *by_variables = torch.ops.atnn.opaque_second(cotangents, upstream, variables, *ctx.rest)
        return by_upstream, None, None, None, *by_variables


# PyTorch switches differentiation off in the thread that calls an operation of a compiled graph. The functions need the
# dispatch state from the import of this module.
_CLEAN = torch._C._dispatch_tls_local_include_set(), torch._C._dispatch_tls_local_exclude_set()


def _restore_dispatch(function):
    def call(*arguments):
        with torch._C._ForceDispatchKeyGuard(*_CLEAN), torch.utils._python_dispatch._disable_current_modes():
            return function(*arguments)

    return call


def _compute_value(variables, constants, name, settings):
    return FUNCTIONS[name](variables, constants, settings)


def _compute_gradient(upstream, variables, constants, name, settings):
    leaves = _make_leaves(variables)
    with torch.enable_grad():
        value = _compute_value(leaves, constants, name, settings)
        return _pull_back([value], leaves, [upstream])


def _compute_second(cotangents, upstream, variables, constants, name, settings):
    first, *leaves = _make_leaves([upstream, *variables])
    with torch.enable_grad():
        value = _compute_value(leaves, constants, name, settings)
        gradients = _pull_back([value], leaves, [first], create_graph=True)
        return _pull_back(gradients, [first, *leaves], cotangents)


def _make_leaves(tensors):
    return [tensor.detach().requires_grad_() for tensor in tensors]


def _pull_back(values, leaves, cotangents, create_graph=False):
    """Pull cotangents of the values back to the leaves; zero where no value depends on a leaf.

    This calls the autograd engine directly, because torch.func takes twice as long for a small molecule.
    """
    pairs = [(value, c) for value, c in zip(values, cotangents, strict=True) if value.requires_grad]
    if not pairs:
        return [torch.zeros_like(leaf) for leaf in leaves]
    outputs, upstream = zip(*pairs, strict=True)
    given = torch.autograd.grad(outputs, leaves, upstream, create_graph=create_graph, materialize_grads=True)
    return [gradient.contiguous() for gradient in given]


for _operation, _function in (
    ("opaque", _compute_value),
    ("opaque_gradient", _compute_gradient),
    ("opaque_second", _compute_second),
):
    torch.library.impl(f"atnn::{_operation}", ("cpu", "cuda"))(_restore_dispatch(_function))


@torch.library.register_fake("atnn::opaque")
def _(variables, constants, name, settings):
    return variables[0].new_empty(constants[-1].shape[0], dtype=torch.float64)


@torch.library.register_fake("atnn::opaque_gradient")
def _(upstream, variables, constants, name, settings):
    return [torch.empty_like(v, memory_format=torch.contiguous_format) for v in variables]


@torch.library.register_fake("atnn::opaque_second")
def _(cotangents, upstream, variables, constants, name, settings):
    return [torch.empty_like(v, memory_format=torch.contiguous_format) for v in (upstream, *variables)]
