"""Sets of symmetry functions for a given number, and the expected size of their sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from atnn.kernels import TripleFunctions, cosine_squared
from atnn.kernels.triples import reference

RADIAL_NODES = 400  # quadrature nodes for one neighbor, enough for narrow Gaussians
NODES = 20  # quadrature nodes along each distance and the angle of two neighbors


class RadialFunction(NamedTuple):
    """``exp(-eta (r - shift)^2)``: eta [1/Angstrom^2] and shift [Angstrom]."""

    eta: float
    shift: float = 0.0


class AngularFunction(NamedTuple):
    """``2^(1 - zeta) (1 + lambda cos theta)^zeta`` times Gaussians of exponent eta [1/Angstrom^2]; sign is lambda."""

    eta: float
    zeta: int
    sign: Literal[-1, 1]


def choose_shifted_gaussians(number: int, closest: float, cutoff: float) -> tuple[RadialFunction, ...]:
    """Place Gaussians at equal spacing d from ``closest`` to d below the cutoff, all with eta = 1 / (2 d^2).

    M. Gastegger et al., J. Chem. Phys. 2018, 148, 241709, doi:10.1063/1.5019667.
    """
    spacing = (cutoff - closest) / number
    return tuple(RadialFunction(0.5 / spacing**2, closest + m * spacing) for m in range(number))


def choose_centered_gaussians(number: int, cutoff: float) -> tuple[RadialFunction, ...]:
    """Place Gaussians at r = 0 with ``eta_m = (n^(m / n) / r_c)^2``, m = 0 to n - 1; widths form a geometric series.

    G. Imbalzano et al., J. Chem. Phys. 2018, 148, 241730, doi:10.1063/1.5024611.
    """
    return tuple(RadialFunction((number ** (m / number) / cutoff) ** 2) for m in range(number))


def envelope(lengths: Tensor, cutoff: float, kind: str) -> Tensor:
    """Cutoff function: ``cosine`` is Behler's ``f_c = (cos(pi r / r_c) + 1) / 2``, ``cosine_squared`` is f_c^2."""
    if kind == "cosine_squared":
        return cosine_squared(lengths, cutoff)
    return torch.where(lengths < cutoff, 0.5 + 0.5 * torch.cos(lengths * (math.pi / cutoff)), 0.0)


def gaussians(exponents: Tensor) -> Tensor:
    """``exp(-x)``, held constant where it is negligible beside 1, so that a product of three is never denormal."""
    return torch.exp(-torch.clamp(exponents, max=28.0 if exponents.dtype == torch.float32 else 200.0))


def collect_triples(
    functions: Sequence[AngularFunction], narrow: Sequence[bool], kinds: int, cutoff: float, kind: str
) -> TripleFunctions:
    """Collect the functions that the kernel sums, sorted by eta, once for each entry of ``narrow``."""
    etas = sorted({function.eta for function in functions})
    columns = [(eta, reach) for reach in narrow for eta in etas]
    order = [(column, f) for column, (eta, _) in enumerate(columns) for f in functions if f.eta == eta]
    return TripleFunctions(
        kinds=kinds,
        cutoff=cutoff,
        envelope=4 if kind == "cosine_squared" else 2,
        etas=tuple(eta for eta, _ in columns),
        narrow=tuple(int(reach) for _, reach in columns),
        functions=tuple((column, f.zeta, f.sign) for column, f in order),
    )


def radial_squares(functions: Sequence[RadialFunction], closest: float, cutoff: float, kind: str) -> Tensor:
    """Mean square [functions] of each function for one neighbor, placed uniformly from ``closest`` to the cutoff."""
    lengths, share = _place_nodes(RADIAL_NODES, closest, cutoff)
    eta, shift = torch.tensor(functions, dtype=torch.float64).T
    values = envelope(lengths, cutoff, kind)[:, None] * torch.exp(-eta * (lengths[:, None] - shift) ** 2)
    return share @ values**2


def angular_squares(functions: TripleFunctions, closest: float, kind: str) -> Tensor:
    """Mean squares [2, functions] of each function for two neighbors, and of its average over one of the two.

    For n uncorrelated neighbors, n^2 / 2 pairs contribute the first to the variance of the sum, and n^3 triples
    contribute the second.
    """
    if not functions.functions:
        return torch.zeros(2, 0, dtype=torch.float64)
    lengths, share = _place_nodes(NODES, closest, functions.cutoff)
    cosines, weights = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(NODES))
    # Each node of the quadrature is an atom with two neighbors, the first of them along z.
    j, k, c = (a.flatten() for a in torch.meshgrid(lengths, lengths, cosines, indexing="ij"))
    zero = torch.zeros_like(c)
    units = torch.stack([zero, zero, zero + 1, torch.sqrt(1 - c**2), zero, c], dim=1).reshape(-1, 3)
    distances = torch.stack([j, k], dim=1).reshape(-1)
    etas = torch.tensor(functions.etas, dtype=torch.float64)
    parts = envelope(distances, functions.cutoff, kind)[:, None] * gaussians(etas * distances[:, None] ** 2)
    table = torch.cat([units, distances[:, None], parts], dim=1)
    offsets = torch.arange(0, len(table) + 1, 2)
    values = reference(table, offsets.new_zeros(len(table)), offsets, functions._replace(kinds=1))
    values = values.reshape(NODES, NODES, NODES, len(functions.functions))
    over = share[:, None] * weights / 2
    both = torch.einsum("j,kc,jkcf->f", share, over, values**2)
    return torch.stack([both, share @ torch.einsum("kc,jkcf->jf", over, values) ** 2])


def _place_nodes(number: int, closest: float, cutoff: float) -> tuple[Tensor, Tensor]:
    """Place quadrature nodes; return their lengths and the share of uniformly distributed neighbors at each."""
    nodes, weights = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(number))
    lengths = closest + 0.5 * (nodes + 1) * (cutoff - closest)
    share = weights * lengths**2
    return lengths, share / share.sum()
