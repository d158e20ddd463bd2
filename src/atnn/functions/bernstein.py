"""Radial functions of SpookyNet: Bernstein polynomials of an exponential, and the cutoff function.

O. T. Unke et al., Nat. Commun. 2021, 12, 7273, doi:10.1038/s41467-021-27504-0.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

SMALLEST = 1 / 64  # least 1 - (r / r_c)^2: the bump function is exp(-63) there and set to zero beyond
LOWEST = -64.0  # least exponent: exp(-64) vanishes beside 1 in float64, and smaller values become slow denormal numbers


def bump(lengths: Float[Tensor, " pairs"], cutoff: float) -> Float[Tensor, " pairs"]:
    """Cutoff function ``exp(-r^2 / ((r_c - r) (r_c + r)))``; all its derivatives vanish at r_c, and it is zero beyond.

    Args:
        lengths: Distances r [Angstrom].
        cutoff: r_c [Angstrom].

    >>> bump(torch.tensor([0.0, 1.0, 2.0, 3.0]), 2.0)
    tensor([1.0000, 0.7165, 0.0000, 0.0000])
    """
    rest = 1.0 - (lengths / cutoff) ** 2
    # The clamp keeps the derivatives of the unused branch finite.
    return torch.where(rest > SMALLEST, torch.exp(1.0 - 1.0 / rest.clamp(min=SMALLEST)), 0.0)


def exponential_bernstein(
    lengths: Float[Tensor, " pairs"], decay: Float[Tensor, ""], count: int
) -> Float[Tensor, "pairs count"]:
    """Bernstein polynomials of degree n = count - 1 in ``x = exp(-gamma r)``, which sum to 1 at every r.

        b_v(r) = binom(n, v) x^v (1 - x)^(n - v),   v = 0 ... n

    The maximum of b_v is at x = v / n, so the functions are dense at short range and wide at long range.

    Args:
        lengths: Distances r [Angstrom], larger than zero.
        decay: gamma [1/Angstrom], positive.
        count: Number of functions.

    >>> exponential_bernstein(torch.tensor([0.5]), torch.tensor(1.0), 3).sum()
    tensor(1.)
    """
    order = torch.arange(count, dtype=lengths.dtype, device=lengths.device)
    binomials = torch.tensor(
        [math.log(math.comb(count - 1, v)) for v in range(count)], dtype=lengths.dtype, device=lengths.device
    )
    logarithm = (-decay * lengths)[:, None]
    complement = torch.log(-torch.expm1(logarithm))  # log(1 - x), exact also for small r
    exponents = binomials + order * logarithm + (count - 1 - order) * complement
    return torch.exp(exponents.clamp(min=LOWEST))
