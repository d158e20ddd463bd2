"""Functions whose course depends on values, as single operations of a traced graph; differentiable twice.

Sums over all pairs or over waves choose their number of terms by the positions, which a graph for all sizes cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

FUNCTIONS: dict[str, Callable[..., Tensor]] = {}

_ARGUMENTS = "Tensor[] variables, Tensor[] constants, str name, float[] settings"
torch.library.define("atnn::opaque", f"({_ARGUMENTS}) -> Tensor")
torch.library.define("atnn::opaque_gradient", f"(Tensor upstream, {_ARGUMENTS}) -> Tensor[]")
torch.library.define("atnn::opaque_second", f"(Tensor[] cotangents, Tensor upstream, {_ARGUMENTS}) -> Tensor[]")


def opaque(
    name: str, variables: Sequence[Tensor], constants: Sequence[Tensor], settings: Sequence[float]
) -> Float[Tensor, " rows"]:
    """Value of a function of :data:`FUNCTIONS`, ``function(variables, constants, settings)``.

    Args:
        name: Of the function. It gives one float64 number for each row of the last constant.
        variables: What it may be differentiated by.
        constants: Tensors without derivatives.
        settings: Numbers.
    """
    return _Value.apply(name, tuple(settings), tuple(constants), *variables)


def apart(function: Callable[..., Any], *tensors: Tensor) -> Any:
    """What a function of the tensors' values gives, within one of :data:`FUNCTIONS`.

    While these are differentiated, their tensors are those of torch.func, which have no memory to show to NumPy.
    """
    values = [(tensor.tolist(), tensor.dtype, tensor.device) for tensor in tensors]
    with torch._C._DisableFuncTorch():
        return function(*(torch.tensor(value, dtype=dtype, device=device) for value, dtype, device in values))


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


# Where a compiled graph calls an operation, PyTorch has switched differentiation off for this thread; the functions
# need it as it was when this module was read.
_CLEAN = torch._C._dispatch_tls_local_include_set(), torch._C._dispatch_tls_local_exclude_set()


def _undisturbed(function):
    def call(*arguments):
        with torch._C._ForceDispatchKeyGuard(*_CLEAN), torch.utils._python_dispatch._disable_current_modes():
            return function(*arguments)

    return call


def _gradient(function, upstream, variables, constants, settings):
    _, pull = torch.func.vjp(lambda *v: function(v, constants, settings), *variables)
    return pull(upstream)


def _value(variables, constants, name, settings):
    return FUNCTIONS[name](variables, constants, settings)


def _first(upstream, variables, constants, name, settings):
    # The plain engine: for a small molecule torch.func takes half as long again.
    with torch.enable_grad():
        leaves = [v.detach().requires_grad_() for v in variables]
        value = FUNCTIONS[name](leaves, constants, settings)
        if not value.requires_grad:  # depends on none of them
            return [torch.zeros_like(v) for v in variables]
        return [g.contiguous() for g in torch.autograd.grad(value, leaves, upstream, materialize_grads=True)]


def _second(cotangents, upstream, variables, constants, name, settings):
    def gradient(u, *v):
        return _gradient(FUNCTIONS[name], u, v, constants, settings)

    _, pull = torch.func.vjp(gradient, upstream, *variables)
    return [g.contiguous() for g in pull(tuple(cotangents))]


for _operation, _function in (("opaque", _value), ("opaque_gradient", _first), ("opaque_second", _second)):
    torch.library.impl(f"atnn::{_operation}", ("cpu", "cuda"))(_undisturbed(_function))


@torch.library.register_fake("atnn::opaque")
def _(variables, constants, name, settings):
    return variables[0].new_empty(constants[-1].shape[0], dtype=torch.float64)


@torch.library.register_fake("atnn::opaque_gradient")
def _(upstream, variables, constants, name, settings):
    return [torch.empty_like(v, memory_format=torch.contiguous_format) for v in variables]


@torch.library.register_fake("atnn::opaque_second")
def _(cotangents, upstream, variables, constants, name, settings):
    return [torch.empty_like(v, memory_format=torch.contiguous_format) for v in (upstream, *variables)]
