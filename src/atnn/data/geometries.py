"""What is odd about geometries: atoms outside the cell, close contacts, duplicates."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from ase.data import covalent_radii
from jaxtyping import Bool, UInt64
from torch import Tensor

from atnn.atoms import MINIMAL_VOLUME
from atnn.neighbors import WIDEST, half_list, measure_extent
from atnn.structures import Structures

CONTACT_RATIO = 0.5  # of the sum of covalent radii
_OUTSIDE = 1e-3  # of a lattice vector; less is rounding
_SHORTEST_VECTOR = MINIMAL_VOLUME ** (1 / 3)  # Angstrom


def find_flat(structures: Structures) -> Bool[Tensor, " structures"]:
    """Periodic structures whose cell has no volume, or no length along a periodic direction."""
    short = structures.pbc & (structures.cell.norm(dim=2) < _SHORTEST_VECTOR)
    return structures.pbc.all(1) & (structures.volumes < MINIMAL_VOLUME) | short.any(1)


def find_outside(structures: Structures) -> Bool[Tensor, " atoms"]:
    """Atoms outside their cell along a periodic direction."""
    outside = torch.zeros_like(structures.batch, dtype=torch.bool)
    chosen = (structures.pbc.any(1) & (structures.volumes > MINIMAL_VOLUME))[structures.batch]
    if not chosen.any():
        return outside
    owner = structures.batch[chosen]
    inverse = torch.linalg.pinv(structures.cell.double())
    fractions = torch.einsum("ni,nij->nj", structures.positions[chosen].double(), inverse[owner])
    beyond = (fractions < -_OUTSIDE) | (fractions >= 1 + _OUTSIDE)
    outside[chosen] = (beyond & structures.pbc[owner]).any(1)
    return outside


def find_contacts(structures: Structures) -> tuple[list[int], float, int]:
    """Find atoms closer than half the sum of their covalent radii.

    Returns:
        Structures with such atoms, the shortest distance [Angstrom], and the structure that has it.
    """
    positions = structures.positions.double().numpy()
    radii = covalent_radii[structures.numbers.numpy()]
    cells, pbc = structures.cell.double().numpy(), structures.pbc.numpy()
    ends = np.cumsum(structures.counts.numpy())
    extent = measure_extent(positions, cells, ends)
    contacts, shortest, nearest, start = [], float("inf"), 0, 0
    for index, end in enumerate(ends.tolist()):
        own = slice(start, end)
        start = end
        cutoff = float(max(2 * radii[own].max(), 1.0))
        i, j, shifts = half_list(positions[own], cells[index], pbc[index], cutoff, extent > WIDEST * cutoff)
        distance = np.linalg.norm(positions[own][j] - positions[own][i] + shifts @ cells[index], axis=1)
        if len(distance) == 0:
            continue
        if distance.min() < shortest:
            shortest, nearest = float(distance.min()), index
        sums = radii[own][i] + radii[own][j]
        if (distance < CONTACT_RATIO * sums).any():
            contacts.append(index)
    return contacts, shortest, nearest


def hash_geometries(structures: Structures) -> UInt64[np.ndarray, " structures"]:
    """A 64-bit number per structure, equal for identical geometries that state the same charge, spin and field."""
    ends = np.cumsum(structures.counts.numpy())
    positions = structures.positions.double().numpy() + 0.0  # makes -0.0 a 0.0
    numbers = structures.numbers.numpy()
    frame_values = [structures.cell.double().flatten(1), structures.pbc.double()]
    frame_values += [value.double().reshape(len(structures), -1) for value in structures.stated.values()]
    rest = torch.cat(frame_values, dim=1).numpy() + 0.0
    result = np.empty(len(structures), dtype=np.uint64)
    start = 0
    for index, end in enumerate(ends):
        content = positions[start:end].tobytes() + numbers[start:end].tobytes() + rest[index].tobytes()
        result[index] = int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")
        start = end
    return result
