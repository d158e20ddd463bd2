"""Gathers from atoms to pairs and sums over pairs: each is the other's derivative, so derivatives of any order work."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from atnn.kernels.loading import load_kernels

torch.library.define("atnn::sum_centers", "(Tensor pairs, Tensor reverse, Tensor offsets) -> Tensor")
torch.library.define("atnn::sum_neighbors", "(Tensor pairs, Tensor reverse, Tensor offsets) -> Tensor")


@torch.library.register_fake("atnn::sum_centers")
@torch.library.register_fake("atnn::sum_neighbors")
def _(pairs, reverse, offsets):
    return pairs.new_empty((offsets.shape[0] - 1, pairs.shape[1]))


def gather_centers(
    atoms: Float[Tensor, "atoms channels"], i: Int[Tensor, " pairs"], offsets: Int[Tensor, " atoms_plus_1"]
) -> Float[Tensor, "pairs channels"]:
    """Gather the row of each pair's center; the derivative is :func:`sum_centers`."""
    return _GatherCenters.apply(atoms, i, offsets)


def gather_neighbors(
    atoms: Float[Tensor, "atoms channels"],
    j: Int[Tensor, " pairs"],
    reverse: Int[Tensor, " pairs"] | None,
    offsets: Int[Tensor, " atoms_plus_1"],
) -> Float[Tensor, "pairs channels"]:
    """Gather the row of each pair's neighbor; the derivative is :func:`sum_neighbors`.

    Args:
        atoms: One row per atom.
        j, reverse, offsets: As in :class:`atnn.structures.Neighbors`; without ``reverse`` the derivative is slower.
    """
    return _GatherNeighbors.apply(atoms, j, reverse, offsets)


def gather_reverse(
    pairs: Float[Tensor, "pairs channels"], reverse: Int[Tensor, " pairs"]
) -> Float[Tensor, "pairs channels"]:
    """Gather the row of each pair's reverse; the operation is its own derivative."""
    return _GatherReverse.apply(pairs, reverse)


def sum_centers(
    pairs: Float[Tensor, "pairs channels"], i: Int[Tensor, " pairs"], offsets: Int[Tensor, " atoms_plus_1"]
) -> Float[Tensor, "atoms channels"]:
    """Sum over the pairs with a given center, ``out[a] = sum_{e: i(e) = a} pairs[e]``."""
    return _SumCenters.apply(pairs, i, offsets)


def sum_neighbors(
    pairs: Float[Tensor, "pairs channels"],
    j: Int[Tensor, " pairs"],
    reverse: Int[Tensor, " pairs"] | None,
    offsets: Int[Tensor, " atoms_plus_1"],
) -> Float[Tensor, "atoms channels"]:
    """Sum over the pairs with a given neighbor, ``out[a] = sum_{e: j(e) = a} pairs[e]``."""
    return _SumNeighbors.apply(pairs, j, reverse, offsets)


def is_fused(tensor: Tensor) -> bool:
    """Return whether the compiled kernels handle this tensor."""
    return tensor.device.type == "cpu" and load_kernels()


def _sum(pairs: Tensor, index: Tensor, offsets: Tensor) -> Tensor:
    return pairs.new_zeros((offsets.shape[0] - 1, pairs.shape[1])).index_add(0, index, pairs)


class _GatherCenters(torch.autograd.Function):
    @staticmethod
    def forward(ctx, atoms, i, offsets):
        ctx.save_for_backward(i, offsets)
        return atoms.index_select(0, i)

    @staticmethod
    def backward(ctx, gradient):
        i, offsets = ctx.saved_tensors
        return sum_centers(gradient, i, offsets), None, None


class _GatherNeighbors(torch.autograd.Function):
    @staticmethod
    def forward(ctx, atoms, j, reverse, offsets):
        ctx.save_for_backward(j, reverse, offsets)
        return atoms.index_select(0, j)

    @staticmethod
    def backward(ctx, gradient):
        j, reverse, offsets = ctx.saved_tensors
        return sum_neighbors(gradient, j, reverse, offsets), None, None, None


class _SumCenters(torch.autograd.Function):
    @staticmethod
    def forward(ctx, pairs, i, offsets):
        ctx.save_for_backward(i, offsets)
        return torch.ops.atnn.sum_centers(pairs, i, offsets) if is_fused(pairs) else _sum(pairs, i, offsets)

    @staticmethod
    def backward(ctx, gradient):
        i, offsets = ctx.saved_tensors
        return gather_centers(gradient, i, offsets), None, None


class _SumNeighbors(torch.autograd.Function):
    @staticmethod
    def forward(ctx, pairs, j, reverse, offsets):
        ctx.save_for_backward(j, reverse, offsets)
        if reverse is None or not is_fused(pairs):
            return _sum(pairs, j, offsets)
        return torch.ops.atnn.sum_neighbors(pairs, reverse, offsets)

    @staticmethod
    def backward(ctx, gradient):
        j, reverse, offsets = ctx.saved_tensors
        return gather_neighbors(gradient, j, reverse, offsets), None, None, None


class _GatherReverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, pairs, reverse):
        ctx.save_for_backward(reverse)
        return pairs.index_select(0, reverse)

    @staticmethod
    def backward(ctx, gradient):
        (reverse,) = ctx.saved_tensors
        return gather_reverse(gradient, reverse), None
