"""Dispersion between three atoms (Axilrod, Teller and Muto), a sum over triangles of neighbors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from atnn.parts import Scene
from atnn.physics.opaque import FUNCTIONS, call_opaque


class Triangles(NamedTuple):
    """Triangles of atoms, each once.

    Attributes:
        corners: Atoms.
        sides: Pairs from the first to the second corner, from the first to the third, from the second to the third.
    """

    corners: Int[Tensor, "3 triangles"]
    sides: Int[Tensor, "3 triangles"]


def triangle_energies(scene: Scene, table: Float[Tensor, "pairs 3"], cutoff: float) -> Float[Tensor, " atoms"]:
    """Sum the energies of triangles whose sides are shorter than the cutoff, a third for each corner, float64.

        E_abc = w_ab w_bc w_ca (1 + 3 cos A cos B cos C) / (1 + 6 u_ab u_bc u_ca)

    Source: E. Caldeweyher et al., J. Chem. Phys. 150, 154122 (2019), doi:10.1063/1.5090222.

    Args:
        scene: Atoms and pairs in both directions.
        table: Squared length, w and u of each pair.
        cutoff: Length that no side exceeds [Angstrom].
    """
    structures, edges = scene.structures, scene.edges
    geometry = (edges.vectors, structures.positions, structures.cell)
    constants = (*(value.detach() for value in geometry), edges.i, edges.j, structures.batch)
    return call_opaque("three_body", (table,), constants, (cutoff,))


def _sum_triangles(
    variables: Sequence[Tensor], constants: Sequence[Tensor], settings: Sequence[float]
) -> Float[Tensor, " atoms"]:
    (table,), (vectors, positions, cell, i, j, batch), (cutoff,) = variables, constants, settings
    near = (vectors.square().sum(1) < cutoff**2).nonzero()[:, 0]
    inverse = torch.linalg.pinv(cell.double())[batch[i[near]]]
    shifts = _find_shifts(vectors[near], positions[j[near]] - positions[i[near]], inverse)
    corners, sides = find_triangles(i[near], j[near], shifts, len(batch))
    first, second, third = (table.index_select(0, near[side]) for side in sides)
    x, y, z = first[:, 0], second[:, 0], third[:, 0]
    strength, damping = (first[:, 1:] * second[:, 1:] * third[:, 1:]).unbind(1)
    cosines = 0.375 * (x + y - z) * (y + z - x) * (z + x - y) / (x * y * z)
    # A triangle is found from each corner of the lowest index, which periodic images of an atom share.
    found = (corners == corners[0]).sum(0)
    energies = (strength * (1 + cosines) / (1 + 6 * damping) / found).double()
    return energies.new_zeros(len(batch)).index_add(0, corners.flatten(), energies.repeat(3) / 3)


FUNCTIONS["three_body"] = _sum_triangles


def _find_shifts(vectors: Tensor, differences: Tensor, inverse: Tensor) -> Int[Tensor, "pairs 3"]:
    """Find the lattice translation of each pair, in lattice vectors; zero along vectors of no length."""
    return torch.einsum("ex,exc->ec", (vectors - differences).double(), inverse).round().long()


def find_triangles(
    i: Int[Tensor, " pairs"], j: Int[Tensor, " pairs"], shifts: Int[Tensor, "pairs 3"], atoms: int
) -> Triangles:
    """Find triangles of pairs from their corners of the lowest index.

    Args:
        i, j: Centers, ascending, and neighbors of pairs in both directions.
        shifts: Lattice translations of the neighbors.
        atoms: Number of atoms.
    """
    base = 4 * int(shifts.abs().max()) + 1 if len(i) else 1  # differences of shifts are up to twice as large
    places = shifts @ shifts.new_tensor([base**2, base, 1])
    keys, order = torch.sort((i * atoms + j) * base**3 + places)
    rising = (i <= j).nonzero()[:, 0]
    first, second = _pair_up(i[rising])
    first, second = rising[first], rising[second]
    wanted = (j[first] * atoms + j[second]) * base**3 + places[second] - places[first]
    place = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
    closed = (keys[place] == wanted).nonzero()[:, 0]
    sides = torch.stack([first[closed], second[closed], order[place[closed]]])
    return Triangles(torch.stack([i[sides[0]], j[sides[0]], j[sides[1]]]), sides)


def _pair_up(centers: Tensor) -> tuple[Tensor, Tensor]:
    """Find all pairs of entries with the same center."""
    _, counts = torch.unique_consecutive(centers, return_counts=True)
    entries = torch.arange(len(centers), device=centers.device)
    later = torch.repeat_interleave(torch.cumsum(counts, 0), counts) - entries - 1
    first = torch.repeat_interleave(entries, later)
    starts = torch.repeat_interleave(torch.cumsum(later, 0) - later, later)
    return first, first + 1 + torch.arange(len(first), device=centers.device) - starts
