"""The cosine-squared cutoff function, one value per pair, with derivatives of every order.

It is an operation of its own because a compiler would fuse it with the radial channels and evaluate it for each.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from atnn.kernels.pairs import is_fused

torch.library.define("atnn::cosine_squared", "(Tensor lengths, float cutoff, int order) -> Tensor")


@torch.library.register_fake("atnn::cosine_squared")
def _(lengths, cutoff, order):
    return torch.empty_like(lengths)


def cosine_squared(lengths: Float[Tensor, " pairs"], cutoff: float, order: int = 0) -> Float[Tensor, " pairs"]:
    """Derivative of the given order of ``[(cos(pi r / r_c) + 1) / 2]^2`` below the cutoff, zero beyond.

    Value and three derivatives vanish at the cutoff. Source: EANN, doi:10.1021/acs.jpclett.9b02037.
    """
    return _CosineSquared.apply(lengths, cutoff, order)


def reference(lengths: Tensor, cutoff: float, order: int) -> Tensor:
    """``3/8 + cos(pi x) / 2 + cos(2 pi x) / 8``, differentiated ``order`` times, in plain PyTorch."""
    phase, x = order * math.pi / 2, lengths * (math.pi / cutoff)
    waves = 0.5 * torch.cos(x + phase) + 0.125 * 2.0**order * torch.cos(2 * x + phase)
    value = (math.pi / cutoff) ** order * waves + (0.375 if order == 0 else 0.0)
    return torch.where(lengths < cutoff, value, 0.0)


class _CosineSquared(torch.autograd.Function):
    @staticmethod
    def forward(ctx, lengths, cutoff, order):
        ctx.save_for_backward(lengths)
        ctx.cutoff, ctx.order = cutoff, order
        if is_fused(lengths):
            return torch.ops.atnn.cosine_squared(lengths, cutoff, order)
        return reference(lengths, cutoff, order)

    @staticmethod
    def backward(ctx, gradient):
        (lengths,) = ctx.saved_tensors
        return gradient * cosine_squared(lengths, ctx.cutoff, ctx.order + 1), None, None
