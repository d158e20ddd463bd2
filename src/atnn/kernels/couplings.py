"""Products of spherical tensors of the atoms, term by term.

The form F = sum_n sum_t C_t a[n, t0, k] b[n, t1, k] w[n, t2, k] g[n, t3, k] runs over the sparse terms t of a coupling.
The product is its derivative by g. Derivatives of any order have the same form, with the arguments in other roles.
"""

from __future__ import annotations

from functools import cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from atnn.kernels.pairs import is_fused

torch.library.define(
    "atnn::couple", "(Tensor x, Tensor y, Tensor z, Tensor terms, Tensor coefficients, int rows) -> Tensor"
)


@torch.library.register_fake("atnn::couple")
def _(x, y, z, terms, coefficients, rows):
    return x.new_empty((x.shape[0], rows, x.shape[2]))


Terms = tuple[tuple[int, int, int, int, float], ...]


def couple(
    a: Float[Tensor, "atoms rows_a k"],
    b: Float[Tensor, "atoms rows_b k"],
    weights: Float[Tensor, "atoms paths k"],
    terms: Terms,
    rows: int,
) -> Float[Tensor, "atoms rows k"]:
    """Return ``out[n, r, k]``, the sum over terms (p, q, s, r, C) of ``C a[n, p, k] b[n, q, k] weights[n, s, k]``.

    Args:
        a, b: The factors.
        weights: A weight for each path and channel of each atom.
        terms: For each term its rows in ``a``, ``b``, ``weights`` and the result, and its coefficient.
        rows: Number of rows of the result.
    """
    return _Couple.apply(a, b, weights, terms, 3, (a.shape[1], b.shape[1], weights.shape[1], rows))


class _Couple(torch.autograd.Function):
    """Derivative of the form by argument number ``slot``, given the other three in order."""

    @staticmethod
    def forward(ctx, x, y, z, terms, slot, rows):
        ctx.save_for_backward(x, y, z)
        ctx.terms, ctx.slot, ctx.rows = terms, slot, rows
        table, coefficients = _table(terms, slot, x.dtype, str(x.device))
        if is_fused(x):
            return torch.ops.atnn.couple(x, y, z, table, coefficients, rows[slot])
        products = coefficients[:, None] * x[:, table[:, 0]] * y[:, table[:, 1]] * z[:, table[:, 2]]
        return x.new_zeros((x.shape[0], rows[slot], x.shape[2])).index_add(1, table[:, 3], products)

    @staticmethod
    def backward(ctx, gradient):
        given, others = list(ctx.saved_tensors), [slot for slot in range(4) if slot != ctx.slot]
        results = []
        for k, slot in enumerate(others):
            arguments = {other: tensor for other, tensor in zip(others, given, strict=True) if other != slot}
            arguments[ctx.slot] = gradient
            ordered = [arguments[s] for s in sorted(arguments)]
            wanted = ctx.needs_input_grad[k]
            results.append(_Couple.apply(*ordered, ctx.terms, slot, ctx.rows) if wanted else None)
        return *results, None, None, None


@cache
def _table(terms: Terms, slot: int, dtype: torch.dtype, device: str) -> tuple[Int[Tensor, "terms 4"], Tensor]:
    """Return the rows of the three arguments and of the result for each term, sorted by the result; coefficients."""
    columns = [s for s in range(4) if s != slot] + [slot]
    ordered = sorted(terms, key=lambda term: tuple(term[c] for c in reversed(columns)))
    # The tensors must be real even while a caller is being traced with fake ones.
    with torch.utils._python_dispatch._disable_current_modes():
        table = torch.tensor([[term[c] for c in columns] for term in ordered], dtype=torch.int32, device=device)
        return table, torch.tensor([term[4] for term in ordered], dtype=dtype, device=device)
