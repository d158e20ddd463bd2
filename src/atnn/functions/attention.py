"""Attention among all atoms of a structure, at a cost linear in their number.

K. Choromanski et al., Rethinking Attention with Performers, ICLR 2021, arXiv:2009.14794 (FAVOR+).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from atnn.kernels import contract_angular, moments

TINY = 1e-8  # added to the mean of the weights in the published code of SpookyNet
BLOCK = 16  # number of random features that the kernels `moments` and `contract_angular` take at once


def orthogonal_features(width: int, count: int) -> Float[Tensor, "width count"]:
    """Draw normal random vectors, one per column, in blocks of ``width`` mutually orthogonal ones.

    Each vector is distributed as ``N(0, 1)``. Orthogonality lowers the variance of estimates made with them. They come
    from PyTorch's global generator.
    """
    blocks = []
    for _ in range(-(-count // width)):
        directions, triangle = torch.linalg.qr(torch.randn(width, width, dtype=torch.float64))
        # Fixing the signs makes the decomposition unique and all rotations equally likely.
        directions = directions * torch.sign(torch.diagonal(triangle))
        blocks.append(directions * torch.randn(width, width, dtype=torch.float64).norm(dim=0))
    return torch.cat(blocks, dim=1)[:, :count].to(torch.get_default_dtype())


def linear_attention(
    queries: Float[Tensor, "atoms width"],
    keys: Float[Tensor, "atoms width"],
    values: Float[Tensor, "atoms channels"],
    features: Float[Tensor, "width count"],
    batch: Int[Tensor, " atoms"],
    offsets: Int[Tensor, " structures_plus_1"],
) -> Float[Tensor, "atoms channels"]:
    """Estimate attention within each structure by positive random features.

        out_i = sum_j exp(q_i k_j / sqrt(F)) v_j / sum_j exp(q_i k_j / sqrt(F)),   j of the same structure
        exp(q_i k_j / sqrt(F)) = mean over w of exp(w q_i' - |q_i'|^2 / 2) exp(w k_j' - |k_j'|^2 / 2),   x' = x F^(-1/4)

    for normally distributed w. The exponents of keys are taken relative to the largest one of their structure, those of
    queries relative to the largest one of their atom. These shifts cancel in the ratio. No constant is needed to avoid
    a division by zero, and the result does not depend on the other structures of the batch.

    Args:
        queries: q; their width is F.
        keys: k.
        values: v.
        features: The random vectors w; their number is a multiple of 16.
        batch: Structure of each atom, ascending.
        offsets: Atoms of structure s are ``offsets[s]:offsets[s + 1]``.
    """
    scale = queries.shape[1] ** -0.25
    keys, queries = keys * scale, queries * scale
    k = keys @ features - 0.5 * (keys * keys).sum(1, keepdim=True)
    largest = _largest(k.detach(), batch, offsets.shape[0] - 1)
    q = queries @ features + largest.index_select(0, batch)
    k = torch.exp(k - largest.index_select(0, batch))
    q = torch.exp(q - q.detach().amax(1, keepdim=True))
    total = _sum_products(q, k, values, batch, offsets)
    return total[:, :-1] / total[:, -1:]


def raised_attention(
    queries: Float[Tensor, "atoms width"],
    keys: Float[Tensor, "atoms width"],
    values: Float[Tensor, "atoms channels"],
    features: Float[Tensor, "width count"],
    batch: Int[Tensor, " atoms"],
    offsets: Int[Tensor, " structures_plus_1"],
    constant: float,
) -> Float[Tensor, "atoms channels"]:
    """Estimate attention as :func:`linear_attention` does, with a constant added to each positive random feature.

        phi(q_i') = exp(w q_i' - |q_i'|^2 / 2 - max_w w q_i') + constant
        phi(k_j') = exp(w k_j' - |k_j'|^2 / 2 - max_jw w k_j') + constant,   j of the same structure

    The published code of SpookyNet has a constant of 1e-4, and adds 1e-8 to the sum of the weights. The shifts do not
    cancel then. The result depends on the largest products, and its slope jumps where another one becomes the largest.

    Args:
        queries: q; their width is F.
        keys: k.
        values: v.
        features: The random vectors w; their number is a multiple of 16.
        batch: Structure of each atom, ascending.
        offsets: Atoms of structure s are ``offsets[s]:offsets[s + 1]``.
        constant: Added to each feature, positive.
    """
    scale = queries.shape[1] ** -0.25
    keys, queries = keys * scale, queries * scale
    k, q = keys @ features, queries @ features
    largest = _largest(k, batch, offsets.shape[0] - 1).amax(1, keepdim=True).index_select(0, batch)
    k = torch.exp(k - 0.5 * (keys * keys).sum(1, keepdim=True) - largest) + constant
    q = torch.exp(q - 0.5 * (queries * queries).sum(1, keepdim=True) - q.amax(1, keepdim=True)) + constant
    total = _sum_products(q, k, values, batch, offsets)
    return total[:, :-1] / (total[:, -1:] + TINY * features.shape[1])


def _sum_products(q, k, values, batch, offsets) -> Float[Tensor, "atoms channels_plus_1"]:
    """Sum the values of each structure with the weights ``q_i k_j``; the last column is the sum of the weights."""
    counted = torch.cat([values, torch.ones_like(values[:, :1])], dim=1)
    parts = [
        contract_angular(q_part, moments(k_part, counted, batch, offsets), batch, offsets)
        for q_part, k_part in zip(q.split(BLOCK, dim=1), k.split(BLOCK, dim=1), strict=True)
    ]
    return torch.stack(parts).sum(0)


def _largest(
    exponents: Float[Tensor, "atoms count"], batch: Int[Tensor, " atoms"], structures: int
) -> Float[Tensor, "structures count"]:
    start = exponents.new_full((structures, exponents.shape[1]), -torch.inf)
    return start.scatter_reduce(0, batch[:, None].expand_as(exponents), exponents, "amax")
