"""Interactions of point charges and point dipoles through any potential of the distance.

The derivatives of a potential v(r) by positions follow from ``v``, ``v_1 = v' / r`` and ``v_2 = v_1' / r``. With R from
one point to the other, ``grad v = v_1 R`` and ``grad grad v = v_1 + v_2 R R``.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

Radial = tuple[Float[Tensor, " pairs"], Float[Tensor, " pairs"], Float[Tensor, " pairs"]]

SMALLEST_DISTANCE = 0.05  # Angstrom; no two atoms are closer, and r^-5 and differences of it still fit into float32


def join_moments(charges: Float[Tensor, " atoms"], dipoles: Float[Tensor, "atoms 3"]) -> Float[Tensor, "atoms 4"]:
    """Put the charge [e] and the dipole [e Angstrom] of each atom side by side."""
    return torch.cat([charges[:, None], dipoles], 1)


def neighbor_potentials(
    vectors: Float[Tensor, "pairs 3"], radial: Radial, moments: Float[Tensor, "pairs 4"]
) -> Float[Tensor, "pairs 4"]:
    """Compute the potential of each neighbor's charge and dipole at the center of the pair, and its gradient there.

        phi = v q + v_1 (mu . R),  grad phi = -(v_1 q + v_2 (mu . R)) R - v_1 mu

    The energy of a center with charge Q and dipole M is ``Q phi + M . grad phi``.

    Args:
        vectors: R, from centers to neighbors [Angstrom].
        radial: v, v_1 and v_2 of the pairs [1/Angstrom, 1/Angstrom^3, 1/Angstrom^5].
        moments: Charges and dipoles of the neighbors, see :func:`join_moments`.

    Returns:
        phi [e/Angstrom] and its gradient [e/Angstrom^2].
    """
    value, first, second = (part[:, None] for part in radial)
    charges, dipoles = moments[:, :1], moments[:, 1:]
    along = (dipoles * vectors).sum(1, keepdim=True)
    gradient = -(first * charges + second * along) * vectors - first * dipoles
    return torch.cat([value * charges + first * along, gradient], 1)


def inverse_root(squared: Float[Tensor, " pairs"]) -> Radial:
    """``u^(-1/2)`` with its v_1 and v_2, where u is r^2 plus a constant."""
    value = torch.rsqrt(squared)
    inverse = value * value
    return value, -value * inverse, 3 * value * inverse * inverse


def blend_radial(switch: Radial, inner: Radial, outer: Radial) -> Radial:
    """Blend two potentials f and g by a switch s into ``s f + (1 - s) g``, with the product rule for derivatives."""
    change = [f - g for f, g in zip(inner, outer, strict=True)]
    return (
        outer[0] + switch[0] * change[0],
        outer[1] + switch[1] * change[0] + switch[0] * change[1],
        outer[2] + switch[2] * change[0] + 2 * switch[1] * change[1] + switch[0] * change[2],
    )
