"""Ewald sums: the part of periodic Coulomb energies that is summed over waves.

Charges and dipoles are split into Gaussians of width sigma, whose interaction is a sum over few waves, and a remainder,
whose interaction is a sum over near neighbors. P. P. Ewald, Ann. Phys. 1921, 369, 253, doi:10.1002/andp.19213690304.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from atnn.physics.dipoles import SMALLEST_DISTANCE, Radial


def gaussian_reach(accuracy: float) -> float:
    """Number of standard deviations at which a sum over a Gaussian may end with an error below ``accuracy``."""
    return math.sqrt(-2 * math.log(accuracy / 4))


def screened_coulomb(
    distances: Float[Tensor, " pairs"], width: float | Float[Tensor, " pairs"]
) -> Float[Tensor, " pairs"]:
    """Interaction of Gaussian unit charges, ``erf(r / (sqrt(2) width)) / r`` [1/Angstrom].

    The square of ``width`` [Angstrom] is the sum of both variances.
    """
    return torch.erf(distances / (math.sqrt(2) * width)) / distances


def screened_coulomb_derivatives(distances: Float[Tensor, " pairs"], width: float) -> Radial:
    """Value v of :func:`screened_coulomb`, ``v_1 = v' / r`` and ``v_2 = v_1' / r``.

    The units are 1/Angstrom, 1/Angstrom^3 and 1/Angstrom^5.
    """
    distances = distances.clamp(min=SMALLEST_DISTANCE)
    inverse = 1 / (distances * distances)
    value = screened_coulomb(distances, width)
    gaussian = math.sqrt(2 / math.pi) / width * torch.exp(-0.5 / width**2 * distances * distances)
    first = (gaussian - value) * inverse
    return value, first, -(3 * first + gaussian / width**2) * inverse


def wave_vectors(cell: Float[Tensor, "3 3"], reach: float) -> Float[Tensor, "waves 3"]:
    """Reciprocal lattice vectors shorter than ``reach`` [1/Angstrom], one of each pair k and -k, without zero."""
    with torch.no_grad():
        longest = (reach / (2 * math.pi) * torch.linalg.vector_norm(cell, dim=1)).tolist()
        ranges = [torch.arange(-int(n), int(n) + 1, device=cell.device, dtype=cell.dtype) for n in longest]
        indices = torch.cartesian_prod(*ranges)
        indices = indices[len(indices) // 2 + 1 :]  # the list is symmetric around zero, which is in its middle
        inside = torch.linalg.vector_norm(indices @ _reciprocal(cell), dim=1) < reach
    return indices[inside] @ _reciprocal(cell)


def _reciprocal(cell: Tensor) -> Tensor:
    return 2 * math.pi * torch.linalg.inv(cell).T


def wave_weights(waves: Float[Tensor, "waves 3"], cell: Float[Tensor, "3 3"], width: float) -> Float[Tensor, " waves"]:
    """Joint weight of the waves k and -k, ``8 pi exp(-width^2 k^2 / 2) / (k^2 V)`` [1/Angstrom]."""
    squared = (waves * waves).sum(1)
    return 8 * math.pi * torch.exp(-0.5 * width**2 * squared) / (squared * torch.linalg.det(cell).abs())


def wave_energy(
    positions: Float[Tensor, "atoms 3"],
    charges: Float[Tensor, " atoms"],
    cell: Float[Tensor, "3 3"],
    width: float,
    accuracy: float,
    dipoles: Float[Tensor, "atoms 3"] | None = None,
) -> Float[Tensor, ""]:
    """Energy of Gaussian charges of joint width ``width`` and all their images, by a sum over waves.

        (1 / 2V) sum_k 4 pi / k^2 exp(-width^2 k^2 / 2) |sum_i q_i exp(i k r_i)|^2

    It contains the self-energy of each Gaussian. The work grows as atoms times volume. With dipoles
    [e Angstrom], ``q_i`` becomes ``q_i + i k mu_i``.

    Returns:
        Energy [e^2/Angstrom], float64.
    """
    waves = wave_vectors(cell, gaussian_reach(accuracy) / width)
    phases = waves @ positions.T
    cosines, sines = torch.cos(phases), torch.sin(phases)
    real, imaginary = cosines @ charges, sines @ charges
    if dipoles is not None:
        real = real - (waves * (sines @ dipoles)).sum(1)
        imaginary = imaginary + (waves * (cosines @ dipoles)).sum(1)
    amplitudes = real**2 + imaginary**2
    return 0.5 * (wave_weights(waves, cell, width).double() @ amplitudes.double())


def wave_matrix(
    positions: Float[Tensor, "atoms 3"], cell: Float[Tensor, "3 3"], width: float, accuracy: float
) -> Float[Tensor, "atoms atoms"]:
    """Matrix A of unit charges with ``q A q / 2`` equal to :func:`wave_energy` [1/Angstrom]."""
    waves = wave_vectors(cell, gaussian_reach(accuracy) / width)
    phases = waves @ positions.T
    weights = wave_weights(waves, cell, width)[:, None]
    cosines, sines = torch.cos(phases), torch.sin(phases)
    return cosines.T @ (weights * cosines) + sines.T @ (weights * sines)


def point_corrections(
    charges: Float[Tensor, " atoms"],
    cell: Float[Tensor, "3 3"],
    width: float,
    dipoles: Float[Tensor, "atoms 3"] | None = None,
) -> Float[Tensor, ""]:
    """Corrections of a sum over waves of Gaussians for point charges [e^2/Angstrom].

        -sum_i q_i^2 / (sqrt(2 pi) width) - pi width^2 Q^2 / V

    The first term removes the self-energies of the Gaussians. The second subtracts the mean of the
    short-range remainder, as a uniform background demands. Dipoles [e Angstrom] subtract
    ``sum_i mu_i^2 / (3 sqrt(2 pi) width^3)``.
    """
    own = charges.double().square().sum() / (math.sqrt(2 * math.pi) * width)
    if dipoles is not None:
        own = own + dipoles.double().square().sum() / (3 * math.sqrt(2 * math.pi) * width**3)
    total = charges.double().sum()
    return -own - math.pi * width**2 * total * total / torch.linalg.det(cell.double()).abs()
