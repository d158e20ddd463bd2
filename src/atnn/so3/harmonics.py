"""Real solid and spherical harmonics as polynomials of a vector."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


def solid_harmonics(
    vectors: Float[Tensor, "pairs 3"], weights: Float[Tensor, " pairs"], degree: int
) -> list[Float[Tensor, "pairs m"]]:
    """Real solid harmonics of degrees 0 to ``degree`` in Racah's normalisation, one tensor [pairs, 2 l + 1] per degree.

        w S_lm(r) = w sqrt(4 pi / (2 l + 1)) r^l Y_lm(r / |r|),   sum_m S_lm(r) S_lm(r') = |r|^l |r'|^l P_l(cos)

    Within a degree, cosine and sine of ``m phi`` alternate from m = l downwards, and m = 0 comes last: x, y, z for
    l = 1. The parts that depend on z follow the recursion of the Schmidt-normalised associated Legendre functions.

    Args:
        vectors: The vectors r.
        weights: Common factor w of all harmonics of a pair.
        degree: Largest l.
    """
    x, y, z = vectors.unbind(1)
    square = x * x + y * y + z * z
    waves = [(weights, weights), (weights * x, weights * y)]  # r^m cos(m phi), r^m sin(m phi) without the z axis
    for _ in range(degree - 1):
        c, s = waves[-1]
        waves.append((c * x - s * y, c * y + s * x))
    legendre = _legendre(z, square, degree)
    result = []
    for n in range(degree + 1):
        columns = [legendre[n, m] * wave for m in range(n, 0, -1) for wave in waves[m]]
        result.append(torch.stack([*columns, legendre[n, 0] * weights], dim=1))
    return result


def spherical_harmonics(unit: Float[Tensor, "pairs 3"], degree: int) -> tuple[Float[Tensor, "pairs m"], ...]:
    """Real spherical harmonics of degrees 0 to ``degree``, normalised to ``sum_m Y_lm^2 = 2 l + 1``.

    The components are ordered as in :func:`solid_harmonics`.
    """
    solid = solid_harmonics(unit, torch.ones_like(unit[:, 0]), degree)
    return tuple(math.sqrt(2 * d + 1) * part for d, part in enumerate(solid))


def _legendre(z: Tensor, square: Tensor, degree: int) -> dict[tuple[int, int], Tensor | float]:
    """Return ``r^(n-m)`` times the polynomial part of each Schmidt-normalised associated Legendre function (n, m)."""
    found: dict[tuple[int, int], Tensor | float] = {}
    for m in range(degree + 1):
        start = math.prod((2 * k - 1) / (2 * k) for k in range(1, m + 1))
        found[m, m] = math.sqrt(start if m == 0 else 2 * start)
        for n in range(m + 1, degree + 1):
            scale = 1 / math.sqrt(n**2 - m**2)
            found[n, m] = ((2 * n - 1) * scale) * z * found[n - 1, m]
            if n > m + 1:
                found[n, m] = found[n, m] - (math.sqrt((n - 1) ** 2 - m**2) * scale) * square * found[n - 2, m]
    return found
