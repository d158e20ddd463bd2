"""Real spherical harmonics as polynomials of unit vectors."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


def spherical_harmonics(unit: Float[Tensor, "pairs 3"], degree: int) -> tuple[Float[Tensor, "pairs m"], ...]:
    """Real spherical harmonics of degree 0 to ``degree`` (at most 3), each with ``sum_m Y_lm^2 = 2 l + 1``.

    Components are ordered m = -l ... l, except that those of degree 1 are x, y, z.
    """
    x, y, z = unit.unbind(1)
    result = [torch.ones_like(x)[:, None]]
    if degree >= 1:
        result.append(math.sqrt(3.0) * unit)
    if degree >= 2:
        a, b = math.sqrt(15.0), math.sqrt(5.0) / 2
        xx, yy, zz = x * x, y * y, z * z
        result.append(torch.stack([a * x * y, a * y * z, b * (3 * zz - 1), a * x * z, a / 2 * (xx - yy)], dim=1))
    if degree >= 3:
        c, d, e, f = math.sqrt(35.0 / 8), math.sqrt(105.0), math.sqrt(21.0 / 8), math.sqrt(7.0) / 2
        parts = [c * y * (3 * xx - yy), d * x * y * z, e * y * (5 * zz - 1), f * z * (5 * zz - 3)]
        parts += [e * x * (5 * zz - 1), d / 2 * z * (xx - yy), c * x * (xx - 3 * yy)]
        result.append(torch.stack(parts, dim=1))
    return tuple(result)
