"""Sums of Gaussians of a distance, with exponents and amplitudes that depend on the neighbor's element.

The derivative by the squared distance is a sum of the same Gaussians with other amplitudes. The two functions here are
therefore closed under differentiation. Exponents and amplitudes are constants.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from atnn.kernels.pairs import is_fused

_TABLE = "Tensor square, Tensor kind, Tensor exponents, Tensor amplitudes"
torch.library.define("atnn::gaussian_sums", f"({_TABLE}) -> Tensor")
torch.library.define("atnn::weighted_sums", f"(Tensor weights, {_TABLE}) -> Tensor")
LARGEST_ROWS = 5  # largest number of rows that the compiled kernels support


@torch.library.register_fake("atnn::gaussian_sums")
def _(square, kind, exponents, amplitudes):
    return square.new_empty((amplitudes.shape[1], square.shape[0], exponents.shape[2]))


@torch.library.register_fake("atnn::weighted_sums")
def _(weights, square, kind, exponents, amplitudes):
    return torch.empty_like(square, memory_format=torch.contiguous_format)


def gaussian_sums(
    square: Float[Tensor, " pairs"],
    kind: Int[Tensor, " pairs"],
    exponents: Float[Tensor, "kinds gaussians channels"],
    amplitudes: Float[Tensor, "kinds rows gaussians channels"],
) -> Float[Tensor, "rows pairs channels"]:
    """``out[n, e, k] = sum_g amplitudes[z, n, g, k] exp(-exponents[z, g, k] square[e])`` with ``z = kind[e]``."""
    return _Sums.apply(square, kind, exponents, amplitudes)


def weighted_sums(
    weights: Float[Tensor, "rows pairs channels"],
    square: Float[Tensor, " pairs"],
    kind: Int[Tensor, " pairs"],
    exponents: Float[Tensor, "kinds gaussians channels"],
    amplitudes: Float[Tensor, "kinds rows gaussians channels"],
) -> Float[Tensor, " pairs"]:
    """``out[e] = sum_nk weights[n, e, k] gaussian_sums[n, e, k]``."""
    return _Weighted.apply(weights, square, kind, exponents, amplitudes)


def _reference(square, kind, exponents, amplitudes):
    powers = torch.clamp(square[:, None, None] * exponents.index_select(0, kind), max=80.0)
    gaussians = torch.exp(-powers)
    rows = [
        sum(gaussians[:, g] * amplitudes[:, n, g].index_select(0, kind) for g in range(exponents.shape[1]))
        for n in range(amplitudes.shape[1])
    ]
    return torch.stack(rows)


def _compiled(square: Tensor, amplitudes: Tensor) -> bool:
    return is_fused(square) and amplitudes.shape[1] <= LARGEST_ROWS


def _slope(exponents: Tensor, amplitudes: Tensor) -> Tensor:
    return -exponents[:, None] * amplitudes


class _Sums(torch.autograd.Function):
    @staticmethod
    def forward(ctx, square, kind, exponents, amplitudes):
        ctx.save_for_backward(square, kind, exponents, amplitudes)
        if _compiled(square, amplitudes):
            return torch.ops.atnn.gaussian_sums(square, kind, exponents, amplitudes)
        return _reference(square, kind, exponents, amplitudes)

    @staticmethod
    def backward(ctx, gradient):
        square, kind, exponents, amplitudes = ctx.saved_tensors
        return weighted_sums(gradient, square, kind, exponents, _slope(exponents, amplitudes)), None, None, None


class _Weighted(torch.autograd.Function):
    @staticmethod
    def forward(ctx, weights, square, kind, exponents, amplitudes):
        ctx.save_for_backward(weights, square, kind, exponents, amplitudes)
        if _compiled(square, amplitudes):
            return torch.ops.atnn.weighted_sums(weights, square, kind, exponents, amplitudes)
        return (weights * _reference(square, kind, exponents, amplitudes)).sum((0, 2))

    @staticmethod
    def backward(ctx, gradient):
        weights, square, kind, exponents, amplitudes = ctx.saved_tensors
        by_weights = by_square = None
        if ctx.needs_input_grad[0]:
            by_weights = gradient[:, None] * gaussian_sums(square, kind, exponents, amplitudes)
        if ctx.needs_input_grad[1]:
            slope = _slope(exponents, amplitudes)
            by_square = gradient * weighted_sums(weights, square, kind, exponents, slope)
        return by_weights, by_square, None, None, None
