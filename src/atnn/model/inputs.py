"""What a model computes from: tensors only, prepared once outside the differentiated and compiled part."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from atnn.structures import Elements, Neighbors, Structures


class Pairs(NamedTuple):
    """Neighbors whose geometry follows from positions alone.

    Attributes:
        neighbors: Who is a neighbor of whom.
        translations: Cartesian shift of each pair's neighbor [Angstrom].
    """

    neighbors: Neighbors
    translations: Float[Tensor, "pairs 3"]


class Inputs(NamedTuple):
    """Arguments of :meth:`atnn.model.Model.compute`.

    Attributes:
        structures: Batch in the model's floating-point type.
        near: Pairs within the cutoff of the representation.
        far: Pairs within that of the physics terms, where some of them reach farther.
        molecular: Every pair of atoms of each molecule, where a physics term asks for them; see :class:`Edges`.
        elements: Atoms in blocks of one element.
        reference: Sum of the elements' reference energies of each structure [eV], float64.
    """

    structures: Structures
    near: Pairs
    far: Pairs | None
    molecular: Int[Tensor, "2 molecular"] | None
    elements: Elements
    reference: Float[Tensor, " structures"]


def pairs_of(structures: Structures, neighbors: Neighbors) -> Pairs:
    """Pairs with the translations that belong to the cells."""
    cells = structures.cell[structures.batch[neighbors.i]]
    return Pairs(neighbors, torch.einsum("ec,ecx->ex", neighbors.shifts, cells))


def group_elements(index: Int[Tensor, " atoms"], elements: int, dtype: torch.dtype = torch.float64) -> Elements:
    """Blocks of rows of one element each; at least two blocks and rows, so that compiled sizes stay general.

    The number of rows balances the free rows that are computed in vain against the number of small products.
    """
    counts = torch.bincount(index, minlength=elements)
    present = max(1, int((counts > 0).sum()))
    rows = 2
    while rows < 64 and rows * 2 * present <= max(8, len(index)):
        rows *= 2
    blocks = torch.div(counts + rows - 1, rows, rounding_mode="floor")
    table = torch.repeat_interleave(torch.arange(elements, device=index.device), blocks)
    missing = max(0, 2 - len(table))
    block_element = torch.cat([table, table.new_zeros(missing)])
    order = torch.argsort(index, stable=True)
    starts = (torch.cumsum(blocks, 0) - blocks) * rows - (torch.cumsum(counts, 0) - counts)
    slot = torch.arange(len(index), device=index.device) + starts[index[order]]
    slots = index.new_zeros(len(block_element) * rows)
    slots[slot] = order
    place = torch.empty_like(order)
    place[order] = slot
    filled = torch.zeros(len(slots), dtype=dtype, device=index.device).index_fill(0, slot, 1.0)
    return Elements(index, slots.reshape(-1, rows), filled.reshape(-1, rows), block_element, place)
