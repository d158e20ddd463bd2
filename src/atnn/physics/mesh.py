"""Particle-mesh Ewald sums: the waves of an Ewald sum by one fast Fourier transform, with work of order N log N.

Charges are spread over a mesh by B-splines, and the Fourier transform of the splines is divided out: smooth
particle-mesh Ewald (U. Essmann et al., J. Chem. Phys. 1995, 103, 8577, doi:10.1063/1.470117), with the continuous
transform of the splines as in M. Deserno, C. Holm, J. Chem. Phys. 1998, 109, 7678, doi:10.1063/1.477414. Forces are
exact derivatives of this energy and therefore conserve it.

torch-pme (doi:10.1063/5.0251713), the reference of the tests, offers the same method. It is not used here because the
filter of its B-splines (0.5.0) holds for right-angled cells only, its Lagrange interpolation needs a much finer mesh,
and its meshes are powers of two.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

ORDER = 7  # of the splines; energies have five continuous derivatives
# Measured for water and rocksalt: the relative error of forces is below MESH_ERROR (spacing / width)^ORDER, and with
# dipoles, which need one more derivative of the splines, below DIPOLE_ERROR (spacing / width)^(ORDER - 1).
MESH_ERROR, DIPOLE_ERROR = 1e-3, 2e-3
COARSEST = 0.8  # largest mesh spacing in units of the width for which that law holds


def mesh_energy(
    positions: Float[Tensor, "atoms 3"],
    charges: Float[Tensor, " atoms"],
    cell: Float[Tensor, "3 3"],
    width: float,
    accuracy: float,
    dipoles: Float[Tensor, "atoms 3"] | None = None,
) -> Float[Tensor, ""]:
    """Approximate :func:`atnn.physics.ewald.wave_energy` by a mesh [e^2/Angstrom], float64."""
    error, order = (MESH_ERROR, ORDER) if dipoles is None else (DIPOLE_ERROR, ORDER - 1)
    spacing = width * min(COARSEST, (accuracy / error) ** (1 / order))
    lengths = torch.linalg.vector_norm(cell.detach(), dim=1).tolist()
    shape = [mesh_points(length / spacing) for length in lengths]
    transform = torch.fft.rfftn(spread_charges(positions, charges, cell, shape, dipoles))
    powers = transform.real.square() + transform.imag.square()
    return 0.5 * (mesh_weights(cell, shape, width) * powers).sum(dtype=torch.float64)


def mesh_points(least: float) -> int:
    """Smallest number of mesh points that is at least ``least`` and ``ORDER`` and has no prime factor above 5.

    >>> [mesh_points(n) for n in (3.2, 31.0, 49.1)]
    [8, 32, 50]
    """
    points = max(ORDER, math.ceil(least))
    while _largest_factor(points) > 5:
        points += 1
    return points


def _largest_factor(number: int) -> int:
    for prime in (2, 3, 5):
        while number % prime == 0:
            number //= prime
    return max(number, 5)


def splines(fractions: Float[Tensor, "atoms 3"], last: int = ORDER) -> Float[Tensor, "atoms 3 order"]:
    """Values of the cardinal B-splines ``M(x), M(x + 1), ...`` at ``0 <= x < 1``, which sum to one."""
    values = [fractions, 1 - fractions]
    none = torch.zeros_like(fractions)
    for order in range(3, last + 1):
        lower = [none, *values, none]
        values = [
            ((fractions + k) * lower[k + 1] + (order - k - fractions) * lower[k]) / (order - 1) for k in range(order)
        ]
    return torch.stack(values, dim=-1)


def spline_slopes(fractions: Float[Tensor, "atoms 3"]) -> Float[Tensor, "atoms 3 order"]:
    """Derivatives of :func:`splines`, which are differences of splines one order lower."""
    return torch.diff(torch.nn.functional.pad(splines(fractions, ORDER - 1), (1, 1)))


def spread_charges(
    positions: Float[Tensor, "atoms 3"],
    charges: Float[Tensor, " atoms"],
    cell: Float[Tensor, "3 3"],
    shape: Sequence[int],
    dipoles: Float[Tensor, "atoms 3"] | None = None,
) -> Float[Tensor, "nx ny nz"]:
    """Spread each charge over ``ORDER`` points of a periodic mesh along each lattice vector.

    Dipoles [e Angstrom] add the derivative ``mu_i . grad_i`` of a unit charge spread in this way.
    """
    points = torch.tensor(shape, device=cell.device)
    inverse = torch.linalg.inv(cell) * points
    places = positions @ inverse
    below = torch.floor(places.detach())
    weights = splines(places - below)
    index = (below.long()[:, :, None] - torch.arange(ORDER, device=cell.device)) % points[:, None]
    rows = (index[:, 0, :, None] * shape[1] + index[:, 1, None, :]) * shape[2]
    flat = rows[..., None] + index[:, 2, None, None, :]
    plane = (charges[:, None] * weights[:, 0])[:, :, None] * weights[:, 1, None, :]
    if dipoles is None:
        values = plane[..., None] * weights[:, 2, None, None, :]
    else:
        steps = (dipoles @ inverse)[:, :, None] * spline_slopes(places - below)
        plane = plane + steps[:, 0, :, None] * weights[:, 1, None, :] + weights[:, 0, :, None] * steps[:, 1, None, :]
        upright = weights[:, 0, :, None] * weights[:, 1, None, :]
        planes = torch.stack([plane, upright], 3).flatten(1, 2)
        values = torch.bmm(planes, torch.stack([weights[:, 2], steps[:, 2]], 1))
    return charges.new_zeros(math.prod(shape)).index_add(0, flat.flatten(), values.flatten()).reshape(*shape)


def mesh_weights(cell: Float[Tensor, "3 3"], shape: Sequence[int], width: float) -> Float[Tensor, "nx ny half_nz"]:
    """Weight of each wave of a half-complex transform: ``4 pi exp(-width^2 k^2 / 2) / (k^2 V)``, corrected for splines.

    The transform contains one of each pair k and -k, whose weights are doubled. Waves that are their own opposites
    along z are not.
    """
    x, y, z = (
        torch.fft.fftfreq(shape[0], 1 / shape[0], dtype=cell.dtype, device=cell.device)[:, None, None],
        torch.fft.fftfreq(shape[1], 1 / shape[1], dtype=cell.dtype, device=cell.device)[:, None],
        torch.fft.rfftfreq(shape[2], 1 / shape[2], dtype=cell.dtype, device=cell.device),
    )
    inverse = torch.linalg.inv(cell)
    metric = (2 * math.pi) ** 2 * inverse.T @ inverse
    squared = x * x * metric[0, 0] + y * y * metric[1, 1] + z * z * metric[2, 2]
    squared = squared + 2 * (x * y * metric[0, 1] + x * z * metric[0, 2] + y * z * metric[1, 2])
    shapes = [torch.sinc(n / points) ** (-2 * ORDER) for n, points in zip((x, y, z), shape, strict=True)]
    both = torch.where((z == 0) | (2 * z == shape[2]), 1.0, 2.0)
    zero = (x == 0) & (y == 0) & (z == 0)
    squared = torch.where(zero, torch.inf, squared)  # the wave k = 0 has no weight
    gaussian = 4 * math.pi * torch.exp(-0.5 * width**2 * squared) / squared
    return gaussian * (shapes[0] * shapes[1] * (shapes[2] * both)) / torch.linalg.det(cell).abs()
