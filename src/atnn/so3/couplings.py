"""Couplings of two spherical tensors to a third."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from atnn.so3.blocks import quadrature
from atnn.so3.harmonics import spherical_harmonics

Path = tuple[int, int, int]
Term = tuple[int, int, int, int, float]


@cache
def couplings(degree: int) -> tuple[tuple[Path, ...], tuple[Term, ...]]:
    """Compute all products l1 x l2 -> l up to a degree that conserve the parity of the harmonics (l1 + l2 + l even).

    The coefficients are the integrals of three spherical harmonics. They are proportional to the Clebsch-Gordan
    coefficients and vanish for the other parity. Each path is normalised to ``sum C^2 = 2 l + 1``, so that factors of
    unit variance give a product of unit variance.

    Returns:
        The paths (l1, l2, l), and the terms (m1, m2, path, m, C), whose components are numbered across all degrees.
    """
    points, weights = quadrature(3 * degree)
    harmonics = [y.numpy() for y in spherical_harmonics(torch.from_numpy(points), degree)]
    paths: list[Path] = []
    terms: list[Term] = []
    for l1, l2, l3 in np.ndindex(degree + 1, degree + 1, degree + 1):
        if (l1 + l2 + l3) % 2 or not abs(l1 - l2) <= l3 <= l1 + l2:
            continue
        table = np.einsum("p,pa,pb,pc->abc", weights, harmonics[l1], harmonics[l2], harmonics[l3])
        table *= np.sqrt((2 * l3 + 1) / (table**2).sum())
        for a, b, c in np.argwhere(np.abs(table) > 1e-9):
            terms.append((int(l1**2 + a), int(l2**2 + b), len(paths), int(l3**2 + c), float(table[a, b, c])))
        paths.append((int(l1), int(l2), int(l3)))
    return tuple(paths), tuple(terms)
