"""Sums of products angular x radial over neighbors, without a temporary of that size.

Let a[e, m] be the angular components and b[e, k] the radial channels of pair e, and g[i, m, k] a node tensor. The
three functions here are the derivatives of the trilinear form sum_e sum_mk a[e, m] b[e, k] g[i(e), m, k] by its
arguments. They are therefore closed under differentiation.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from atnn.kernels.pairs import is_fused

for _name in ("moments", "contract_angular", "contract_radial"):
    torch.library.define(f"atnn::{_name}", "(Tensor x, Tensor y, Tensor offsets) -> Tensor")

WIDTHS = (1, 3, 4, 5, 7, 9, 10, 16, 20)  # numbers of angular components that the compiled kernels support


@torch.library.register_fake("atnn::moments")
def _(x, y, offsets):
    return x.new_empty((offsets.shape[0] - 1, x.shape[1], y.shape[1]))


@torch.library.register_fake("atnn::contract_angular")
def _(x, y, offsets):
    return x.new_empty((x.shape[0], y.shape[2]))


@torch.library.register_fake("atnn::contract_radial")
def _(x, y, offsets):
    return x.new_empty((x.shape[0], y.shape[1]))


def moments(
    angular: Float[Tensor, "pairs m"],
    radial: Float[Tensor, "pairs k"],
    i: Int[Tensor, " pairs"],
    offsets: Int[Tensor, " atoms_plus_1"],
) -> Float[Tensor, "atoms m k"]:
    """``out[a, m, k] = sum_{e: i(e) = a} angular[e, m] radial[e, k]``."""
    return _Moments.apply(angular, radial, i, offsets)


def contract_angular(
    angular: Float[Tensor, "pairs m"],
    nodes: Float[Tensor, "atoms m k"],
    i: Int[Tensor, " pairs"],
    offsets: Int[Tensor, " atoms_plus_1"],
) -> Float[Tensor, "pairs k"]:
    """``out[e, k] = sum_m angular[e, m] nodes[i(e), m, k]``."""
    return _ContractAngular.apply(angular, nodes, i, offsets)


def contract_radial(
    radial: Float[Tensor, "pairs k"],
    nodes: Float[Tensor, "atoms m k"],
    i: Int[Tensor, " pairs"],
    offsets: Int[Tensor, " atoms_plus_1"],
) -> Float[Tensor, "pairs m"]:
    """``out[e, m] = sum_k radial[e, k] nodes[i(e), m, k]``."""
    return _ContractRadial.apply(radial, nodes, i, offsets)


class _Moments(torch.autograd.Function):
    @staticmethod
    def forward(ctx, angular, radial, i, offsets):
        ctx.save_for_backward(angular, radial, i, offsets)
        if is_fused(angular) and angular.shape[1] in WIDTHS:
            return torch.ops.atnn.moments(angular, radial, offsets)
        out = angular.new_zeros((offsets.shape[0] - 1, angular.shape[1], radial.shape[1]))
        return out.index_add(0, i, angular[:, :, None] * radial[:, None, :])

    @staticmethod
    def backward(ctx, gradient):
        angular, radial, i, offsets = ctx.saved_tensors
        by_angular = contract_radial(radial, gradient, i, offsets) if ctx.needs_input_grad[0] else None
        by_radial = contract_angular(angular, gradient, i, offsets) if ctx.needs_input_grad[1] else None
        return by_angular, by_radial, None, None


class _ContractAngular(torch.autograd.Function):
    @staticmethod
    def forward(ctx, angular, nodes, i, offsets):
        ctx.save_for_backward(angular, nodes, i, offsets)
        if is_fused(angular) and angular.shape[1] in WIDTHS:
            return torch.ops.atnn.contract_angular(angular, nodes, offsets)
        return (angular[:, :, None] * nodes.index_select(0, i)).sum(1)

    @staticmethod
    def backward(ctx, gradient):
        angular, nodes, i, offsets = ctx.saved_tensors
        by_angular = contract_radial(gradient, nodes, i, offsets) if ctx.needs_input_grad[0] else None
        by_nodes = moments(angular, gradient, i, offsets) if ctx.needs_input_grad[1] else None
        return by_angular, by_nodes, None, None


class _ContractRadial(torch.autograd.Function):
    @staticmethod
    def forward(ctx, radial, nodes, i, offsets):
        ctx.save_for_backward(radial, nodes, i, offsets)
        if is_fused(radial) and nodes.shape[1] in WIDTHS:
            return torch.ops.atnn.contract_radial(radial, nodes, offsets)
        return (radial[:, None, :] * nodes.index_select(0, i)).sum(2)

    @staticmethod
    def backward(ctx, gradient):
        radial, nodes, i, offsets = ctx.saved_tensors
        by_radial = contract_angular(gradient, nodes, i, offsets) if ctx.needs_input_grad[0] else None
        by_nodes = moments(gradient, radial, i, offsets) if ctx.needs_input_grad[1] else None
        return by_radial, by_nodes, None, None
