"""Envelopes that take pair functions to zero at the cutoff with continuous second derivatives."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def polynomial(x: Float[Tensor, " pairs"], order: int = 6) -> Float[Tensor, " pairs"]:
    """Polynomial envelope of ``x = r / r_c``: one at x = 0; value and two derivatives vanish at x = 1.

    Source: DimeNet, arXiv:2003.03123, equation 8.
    """
    p = order
    x = torch.clamp(x, max=1.0)
    return 1 + x**p * (-(p + 1) * (p + 2) / 2 + x * (p * (p + 2) - x * p * (p + 1) / 2))
