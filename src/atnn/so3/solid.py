"""Real solid harmonics as polynomials of the vector."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


def solid_harmonics(vectors: Float[Tensor, "pairs 3"], degree: int) -> list[Float[Tensor, "pairs m"]]:
    """Real solid harmonics of degree 0 to ``degree`` with Racah's normalisation, a tensor [pairs, 2 l + 1] each.

        S_lm(r) = sqrt(4 pi / (2 l + 1)) r^l Y_lm(r / |r|),   sum_m S_lm(r) S_lm(r') = |r|^l |r'|^l P_l(cos)

    In each degree cosine and sine of ``m phi`` alternate from m = l down, and m = 0 comes last: x, y, z for l = 1.
    The parts that depend on z follow the recursion of the associated Legendre functions, normalised after Schmidt.
    """
    x, y, z = vectors.unbind(1)
    square = x * x + y * y + z * z
    cosines, sines = [torch.ones_like(x)], [torch.zeros_like(x)]
    for _ in range(degree):
        c, s = cosines[-1], sines[-1]
        cosines.append(c * x - s * y)
        sines.append(c * y + s * x)
    legendre: dict[tuple[int, int], Tensor] = {}
    for m in range(degree + 1):
        start = math.prod((2 * k - 1) / (2 * k) for k in range(1, m + 1))
        legendre[m, m] = torch.full_like(x, math.sqrt(start if m == 0 else 2 * start))
        for n in range(m + 1, degree + 1):
            two_below = legendre[n - 2, m] * square * math.sqrt((n - 1) ** 2 - m**2) if n > m + 1 else 0.0
            legendre[n, m] = ((2 * n - 1) * z * legendre[n - 1, m] - two_below) / math.sqrt(n**2 - m**2)
    result = []
    for n in range(degree + 1):
        columns = [legendre[n, m] * wave[m] for m in range(n, 0, -1) for wave in (cosines, sines)]
        result.append(torch.stack([*columns, legendre[n, 0]], dim=1))
    return result
