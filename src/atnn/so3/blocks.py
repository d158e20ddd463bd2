"""Blocks between two shells of spherical harmonics, and their decomposition into spherical tensors.

A block [2 l1 + 1, 2 l2 + 1] turns as ``B -> D^l1 B (D^l2)^T``. It is a sum of tensors of degree L, each of which turns
as ``T -> D^L T``. Where l1 + l2 + L is odd, the tensor keeps its sign under inversion if that of a harmonic of degree L
flips, and the reverse.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from atnn.so3.harmonics import spherical_harmonics


def turning_matrices(rotation: Float[Tensor, "3 3"], degree: int) -> tuple[Float[Tensor, "m m"], ...]:
    """Compute the matrices by which harmonics turn, ``Y_l(R r) = D^l Y_l(r)``, for l = 0 to ``degree``.

    The components are ordered as in :func:`atnn.so3.solid_harmonics`. Reflections are allowed.

    Args:
        rotation: The orthogonal matrix R.
        degree: Largest l.
    """
    points, weights = (torch.from_numpy(part).to(rotation) for part in quadrature(2 * degree))
    before, after = spherical_harmonics(points, degree), spherical_harmonics(points @ rotation.T, degree)
    return tuple(torch.einsum("p,pm,pn->mn", weights, y, x) for x, y in zip(before, after, strict=True))


@cache
def coupling(first: int, second: int, degree: int) -> np.ndarray:
    """Compute the real Clebsch-Gordan coefficients C[m1, m2, m] of l1 x l2 -> L.

    They are orthonormal, ``sum_{m1 m2} C[m1, m2, m] C[m1, m2, m'] = delta_{m m'}``. For every parity of l1 + l2 + L
    they are real.

    Args:
        first, second, degree: The degrees l1, l2 and L, which form a triangle.
    """
    complex_ = np.zeros((2 * first + 1, 2 * second + 1, 2 * degree + 1))
    for a in range(-first, first + 1):
        for b in range(max(-second, -degree - a), min(second, degree - a) + 1):
            complex_[a + first, b + second, a + b + degree] = _racah(first, a, second, b, degree, a + b)
    turned = np.einsum(
        "pa,qb,rc,abc->pqr", _real_from_complex(first), _real_from_complex(second),
        _real_from_complex(degree).conj(), complex_,
    )  # fmt: skip
    # The product of three real harmonics is real for an even sum of the degrees and imaginary for an odd one.
    return turned.imag if (first + second + degree) % 2 else turned.real


def join_block(parts: Sequence[Float[Tensor, "*batch _"]], first: int, second: int) -> Float[Tensor, "*batch m1 m2"]:
    """Build blocks from their tensors of degrees ``|l1 - l2|`` to ``l1 + l2``."""
    degrees = range(abs(first - second), first + second + 1)
    tables = (part.new_tensor(coupling(first, second, d)) for d, part in zip(degrees, parts, strict=True))
    terms = [torch.einsum("abc,...c->...ab", table, part) for table, part in zip(tables, parts, strict=True)]
    return torch.stack(terms).sum(0)


def split_block(block: Float[Tensor, "*batch m1 m2"]) -> tuple[Float[Tensor, "*batch _"], ...]:
    """Split blocks into their tensors of degrees ``|l1 - l2|`` to ``l1 + l2``, the inverse of :func:`join_block`."""
    first, second = (block.shape[-2] - 1) // 2, (block.shape[-1] - 1) // 2
    tables = [coupling(first, second, d) for d in range(abs(first - second), first + second + 1)]
    return tuple(torch.einsum("abc,...ab->...c", block.new_tensor(table), block) for table in tables)


def quadrature(degree: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points and weights of a quadrature on the sphere that is exact for polynomials up to a degree."""
    heights, weights = np.polynomial.legendre.leggauss(degree // 2 + 1)
    angles = 2 * np.pi * np.arange(degree + 1) / (degree + 1)
    z, phi = (part.ravel() for part in np.meshgrid(heights, angles, indexing="ij"))
    radius = np.sqrt(1 - z**2)
    points = np.stack([radius * np.cos(phi), radius * np.sin(phi), z], axis=1)
    return points, np.repeat(weights, len(angles)) / (2 * len(angles))


def _real_from_complex(degree: int) -> np.ndarray:
    """Coefficients of the real harmonics, in our order, in the complex ones of Condon and Shortley, m = -l to l."""
    matrix = np.zeros((2 * degree + 1, 2 * degree + 1), dtype=complex)
    for m in range(1, degree + 1):
        cosine, sine = matrix[2 * (degree - m)], matrix[2 * (degree - m) + 1]
        sign = (-1) ** m / math.sqrt(2)
        cosine[degree + m], cosine[degree - m] = sign, 1 / math.sqrt(2)
        sine[degree + m], sine[degree - m] = -1j * sign, 1j / math.sqrt(2)
    matrix[2 * degree, degree] = 1
    return matrix


def _racah(j1: int, m1: int, j2: int, m2: int, j: int, m: int) -> float:
    """Clebsch-Gordan coefficient of complex harmonics by Racah's formula."""
    f = math.factorial
    scale = (2 * j + 1) * f(j + j1 - j2) * f(j - j1 + j2) * f(j1 + j2 - j) / f(j1 + j2 + j + 1)
    scale *= f(j + m) * f(j - m) * f(j1 + m1) * f(j1 - m1) * f(j2 + m2) * f(j2 - m2)
    total = 0.0
    for k in range(j1 + j2 - j + 1):
        places = (k, j1 + j2 - j - k, j1 - m1 - k, j2 + m2 - k, j - j2 + m1 + k, j - j1 - m2 + k)
        if min(places) >= 0:
            total += (-1) ** k / math.prod(f(place) for place in places)
    return math.sqrt(scale) * total
