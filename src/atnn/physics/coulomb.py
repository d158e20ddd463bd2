"""Coulomb energies of molecules, summed over all pairs of atoms and damped where charge clouds overlap."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from atnn.neighbors.pairs import vector_lengths
from atnn.physics.dipoles import (
    SMALLEST_DISTANCE,
    Radial,
    blend_radial,
    inverse_root,
    join_moments,
    neighbor_potentials,
)
from atnn.structures import Structures

SOFTENING = 1.0  # Angstrom^2, added to r^2 in the short-range form
# Fractions of the switching interval beyond which the switch is exactly one or zero in float64.
STEP_BEGIN, STEP_END = 0.01, 0.99


def damped_coulomb(distances: Float[Tensor, " pairs"], damping: float) -> Float[Tensor, " pairs"]:
    """Damp inverse distances to ``s(r) / sqrt(r^2 + 1) + (1 - s(r)) / r`` [1/Angstrom].

    The switch s falls smoothly from one at a quarter of ``damping`` to zero at three quarters. Beyond, Coulomb's law
    is exact. Source: SpookyNet, doi:10.1038/s41467-021-27504-0.

    Args:
        distances: Distances of the pairs [Angstrom].
        damping: Length that sets the range of the switch [Angstrom]; 0 gives the bare ``1 / r``.
    """
    if damping == 0:
        return 1 / distances
    x = (2 * distances / damping - 0.5).clamp(STEP_BEGIN, STEP_END)
    switch = torch.sigmoid(1 / x - 1 / (1 - x))
    return switch * torch.rsqrt(distances * distances + SOFTENING) + (1 - switch) / distances


def damped_coulomb_derivatives(distances: Float[Tensor, " pairs"], damping: float) -> Radial:
    """Value v of :func:`damped_coulomb`, ``v_1 = v' / r`` and ``v_2 = v_1' / r``.

    The units are 1/Angstrom, 1/Angstrom^3 and 1/Angstrom^5.
    """
    distances = distances.clamp(min=SMALLEST_DISTANCE)
    squared = distances * distances
    bare = inverse_root(squared)
    if damping == 0:
        return bare
    return blend_radial(_switch_derivatives(distances, damping), inverse_root(squared + SOFTENING), bare)


def _switch_derivatives(distances: Tensor, damping: float) -> Radial:
    x = (2 * distances / damping - 0.5).clamp(STEP_BEGIN, STEP_END)
    y = 1 - x
    argument = 1 / x - 1 / y
    slope, curvature = -1 / (x * x) - 1 / (y * y), 2 / (x * x * x) - 2 / (y * y * y)
    switch, rest = torch.sigmoid(argument), torch.sigmoid(-argument)
    by_x, by_r = switch * rest, 2 / damping
    first = by_x * slope * by_r / distances
    second = by_x * ((rest - switch) * slope * slope + curvature) * by_r**2
    return switch, first, (second - first) / (distances * distances)


def molecular_energies(
    pairs: Int[Tensor, "2 pairs"],
    structures: Structures,
    damping: float,
    charges: Float[Tensor, " atoms"],
    dipoles: Float[Tensor, "atoms 3"] | None = None,
) -> Float[Tensor, " structures"]:
    """Sum of ``q_i q_j`` times :func:`damped_coulomb` over the pairs [e^2/Angstrom], float64; zero without pairs.

    With atomic dipoles [e Angstrom], ``q_i`` becomes ``q_i + mu_i . grad_i``.
    """
    (first, second), positions = pairs, structures.positions
    vectors = positions.index_select(0, second) - positions.index_select(0, first)
    distances = vector_lengths(vectors)
    if dipoles is None:
        products = charges.index_select(0, first) * charges.index_select(0, second)
        energies = products * damped_coulomb(distances, damping)
    else:
        moments = join_moments(charges, dipoles)
        fields = neighbor_potentials(
            vectors, damped_coulomb_derivatives(distances, damping), moments.index_select(0, second)
        )
        energies = (moments.index_select(0, first) * fields).sum(1)
    total = charges.new_zeros(structures.cell.shape[0], dtype=torch.float64)
    return total.index_add(0, structures.batch.index_select(0, first), energies.double())
