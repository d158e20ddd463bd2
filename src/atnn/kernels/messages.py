"""Messages: sums of node tensors over neighbors, weighted per pair or per pair, degree and channel.

Let w be the weights of the pairs e and x, y node tensors. :func:`messages` and :func:`overlaps` are the derivatives of
the form sum_e sum_mk w[e, l(m), k] x[i(e), m, k] y[j(e), m, k]. :func:`weighted_neighbor_sum` and
:func:`pair_products` are those of sum_e w[e] sum_k x[i(e), k] y[j(e), k]. Both families are therefore closed under
differentiation. No tensor of the size pairs times components is formed.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from atnn.kernels.pairs import is_fused
from atnn.structures import Edges

torch.library.define(
    "atnn::messages",
    "(Tensor weights, Tensor nodes, Tensor j, Tensor reverse, Tensor offsets, bool mirrored) -> Tensor",
)
torch.library.define(
    "atnn::overlaps", "(Tensor centers, Tensor neighbors, Tensor j, Tensor offsets, int degrees) -> Tensor"
)


torch.library.define(
    "atnn::spread",
    "(Tensor weights, Tensor nodes, Tensor j, Tensor reverse, Tensor offsets, bool mirrored) -> Tensor",
)
torch.library.define("atnn::pair_products", "(Tensor centers, Tensor neighbors, Tensor j, Tensor offsets) -> Tensor")


@torch.library.register_fake("atnn::spread")
def _(weights, nodes, j, reverse, offsets, mirrored):
    return nodes.new_empty((offsets.shape[0] - 1, nodes.shape[1]))


@torch.library.register_fake("atnn::pair_products")
def _(centers, neighbors, j, offsets):
    return centers.new_empty((j.shape[0],))


@torch.library.register_fake("atnn::messages")
def _(weights, nodes, j, reverse, offsets, mirrored):
    return nodes.new_empty((offsets.shape[0] - 1, nodes.shape[1], nodes.shape[2]))


@torch.library.register_fake("atnn::overlaps")
def _(centers, neighbors, j, offsets, degrees):
    return centers.new_empty((j.shape[0], degrees, centers.shape[2]))


def messages(
    weights: Float[Tensor, "pairs degrees k"], nodes: Float[Tensor, "atoms m k"], edges: Edges
) -> Float[Tensor, "atoms m k"]:
    """``out[a, m, k] = sum_{e: i(e) = a} weights[e, l(m), k] nodes[j(e), m, k]``, m = 0 ... (L + 1)^2 - 1.

    Weights with a single degree apply to all components.
    """
    return _Messages.apply(weights, nodes, edges.i, edges.j, edges.reverse, edges.offsets, False)


def overlaps(
    centers: Float[Tensor, "atoms m k"], neighbors: Float[Tensor, "atoms m k"], edges: Edges, degrees: int
) -> Float[Tensor, "pairs degrees k"]:
    """``out[e, l, k] = sum_{m in l} centers[i(e), m, k] neighbors[j(e), m, k]``; with one degree, the sum of all."""
    return _Overlaps.apply(centers, neighbors, edges.i, edges.j, edges.reverse, edges.offsets, degrees)


def weighted_neighbor_sum(
    weights: Float[Tensor, " pairs"], nodes: Float[Tensor, "atoms k"], edges: Edges
) -> Float[Tensor, "atoms k"]:
    """``out[a, k] = sum_{e: i(e) = a} weights[e] nodes[j(e), k]``."""
    return _WeightedNeighborSum.apply(weights, nodes, edges.i, edges.j, edges.reverse, edges.offsets, False)


def pair_products(
    centers: Float[Tensor, "atoms k"], neighbors: Float[Tensor, "atoms k"], edges: Edges
) -> Float[Tensor, " pairs"]:
    """``out[e] = sum_k centers[i(e), k] neighbors[j(e), k]``."""
    return _PairProducts.apply(centers, neighbors, edges.i, edges.j, edges.reverse, edges.offsets)


def _degrees(components: int, degrees: int) -> list[int]:
    return [math.isqrt(m) if degrees > 1 else 0 for m in range(components)]


class _Messages(torch.autograd.Function):
    """With ``mirrored``, each pair takes the weights of its reverse; the derivative by ``nodes`` needs this."""

    @staticmethod
    def forward(ctx, weights, nodes, i, j, reverse, offsets, mirrored):
        ctx.save_for_backward(weights, nodes, i, j, reverse, offsets)
        ctx.mirrored = mirrored
        if reverse is not None and is_fused(nodes):
            return torch.ops.atnn.messages(weights, nodes, j, reverse, offsets, mirrored)
        # Reversing a pair swaps center and neighbor, so `reverse` is not needed here.
        to, of = (j, i) if mirrored else (i, j)
        parts = weights[:, _degrees(nodes.shape[1], weights.shape[1])] * nodes.index_select(0, of)
        return nodes.new_zeros((offsets.shape[0] - 1, *nodes.shape[1:])).index_add(0, to, parts)

    @staticmethod
    def backward(ctx, gradient):
        weights, nodes, i, j, reverse, offsets = ctx.saved_tensors
        pairs = (i, j, reverse, offsets)
        x, y = (nodes, gradient) if ctx.mirrored else (gradient, nodes)
        by_weights = _Overlaps.apply(x, y, *pairs, weights.shape[1]) if ctx.needs_input_grad[0] else None
        by_nodes = _Messages.apply(weights, gradient, *pairs, not ctx.mirrored) if ctx.needs_input_grad[1] else None
        return by_weights, by_nodes, None, None, None, None, None


class _Overlaps(torch.autograd.Function):
    @staticmethod
    def forward(ctx, centers, neighbors, i, j, reverse, offsets, degrees):
        ctx.save_for_backward(centers, neighbors, i, j, reverse, offsets)
        if is_fused(centers):
            return torch.ops.atnn.overlaps(centers, neighbors, j, offsets, degrees)
        products = centers.index_select(0, i) * neighbors.index_select(0, j)
        parts = [products] if degrees == 1 else [products[:, d * d : (d + 1) ** 2] for d in range(degrees)]
        return torch.stack([part.sum(1) for part in parts], dim=1)

    @staticmethod
    def backward(ctx, gradient):
        centers, neighbors, *pairs = ctx.saved_tensors
        by_centers = _Messages.apply(gradient, neighbors, *pairs, False) if ctx.needs_input_grad[0] else None
        by_neighbors = _Messages.apply(gradient, centers, *pairs, True) if ctx.needs_input_grad[1] else None
        return by_centers, by_neighbors, None, None, None, None, None


class _WeightedNeighborSum(torch.autograd.Function):
    """With ``mirrored``, each pair takes the weight of its reverse."""

    @staticmethod
    def forward(ctx, weights, nodes, i, j, reverse, offsets, mirrored):
        ctx.save_for_backward(weights, nodes, i, j, reverse, offsets)
        ctx.mirrored = mirrored
        if reverse is not None and is_fused(nodes):
            return torch.ops.atnn.spread(weights, nodes, j, reverse, offsets, mirrored)
        to, of = (j, i) if mirrored else (i, j)
        parts = weights[:, None] * nodes.index_select(0, of)
        return nodes.new_zeros((offsets.shape[0] - 1, nodes.shape[1])).index_add(0, to, parts)

    @staticmethod
    def backward(ctx, gradient):
        weights, nodes, *pairs = ctx.saved_tensors
        x, y = (nodes, gradient) if ctx.mirrored else (gradient, nodes)
        by_weights = _PairProducts.apply(x, y, *pairs) if ctx.needs_input_grad[0] else None
        by_nodes = (
            _WeightedNeighborSum.apply(weights, gradient, *pairs, not ctx.mirrored) if ctx.needs_input_grad[1] else None
        )
        return by_weights, by_nodes, None, None, None, None, None


class _PairProducts(torch.autograd.Function):
    @staticmethod
    def forward(ctx, centers, neighbors, i, j, reverse, offsets):
        ctx.save_for_backward(centers, neighbors, i, j, reverse, offsets)
        if is_fused(centers):
            return torch.ops.atnn.pair_products(centers, neighbors, j, offsets)
        return (centers.index_select(0, i) * neighbors.index_select(0, j)).sum(1)

    @staticmethod
    def backward(ctx, gradient):
        centers, neighbors, *pairs = ctx.saved_tensors
        by_centers = _WeightedNeighborSum.apply(gradient, neighbors, *pairs, False) if ctx.needs_input_grad[0] else None
        by_neighbors = _WeightedNeighborSum.apply(gradient, centers, *pairs, True) if ctx.needs_input_grad[1] else None
        return by_centers, by_neighbors, None, None, None, None
