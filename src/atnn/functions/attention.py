"""Attention among all atoms of a structure, at a cost linear in their number.

K. Choromanski et al., Rethinking Attention with Performers, ICLR 2021, arXiv:2009.14794 (FAVOR+).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from atnn.kernels import contract_angular, moments

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
    counted = torch.cat([values, torch.ones_like(values[:, :1])], dim=1)  # the column of ones sums the weights
    parts = [
        contract_angular(q_part, moments(k_part, counted, batch, offsets), batch, offsets)
        for q_part, k_part in zip(q.split(BLOCK, dim=1), k.split(BLOCK, dim=1), strict=True)
    ]
    total = torch.stack(parts).sum(0)
    return total[:, :-1] / total[:, -1:]


def _largest(
    exponents: Float[Tensor, "atoms count"], batch: Int[Tensor, " atoms"], structures: int
) -> Float[Tensor, "structures count"]:
    start = exponents.new_full((structures, exponents.shape[1]), -torch.inf)
    return start.scatter_reduce(0, batch[:, None].expand_as(exponents), exponents, "amax")
