"""Sorting of atoms into blocks of one element, and back: two gathers, each the derivative of the other."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from atnn.structures import Elements


def to_blocks(atoms: Float[Tensor, "atoms channels"], elements: Elements) -> Float[Tensor, "blocks rows channels"]:
    """Gather the atoms into their blocks, with zeros in free rows; the derivative is :func:`from_blocks`."""
    return _ToBlocks.apply(atoms, elements.slots, elements.filled, elements.place)


def from_blocks(blocks: Float[Tensor, "blocks rows channels"], elements: Elements) -> Float[Tensor, "atoms channels"]:
    """Gather the atoms out of their blocks; the derivative is :func:`to_blocks`."""
    return _FromBlocks.apply(blocks, elements.slots, elements.filled, elements.place)


class _ToBlocks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, atoms, slots, filled, place):
        ctx.save_for_backward(slots, filled, place)
        return atoms[slots] * filled[:, :, None]

    @staticmethod
    def backward(ctx, gradient):
        return _FromBlocks.apply(gradient, *ctx.saved_tensors), None, None, None


class _FromBlocks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, blocks, slots, filled, place):
        ctx.save_for_backward(slots, filled, place)
        return blocks.flatten(0, 1).index_select(0, place)

    @staticmethod
    def backward(ctx, gradient):
        return _ToBlocks.apply(gradient, *ctx.saved_tensors), None, None, None
