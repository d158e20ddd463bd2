"""The inputs of a model are tensors, prepared once outside the differentiated and compiled part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from atnn.quantities import Axis
from atnn.stated import STATED
from atnn.structures import Elements, Neighbors, Rows, Structures


class Pairs(NamedTuple):
    """Neighbors and their translations, so that the geometry of the pairs follows from the positions alone.

    Attributes:
        neighbors: The list of pairs.
        translations: Cartesian shift of each pair's neighbor [Angstrom].
    """

    neighbors: Neighbors
    translations: Float[Tensor, "pairs 3"]


class Inputs(NamedTuple):
    """Arguments of :meth:`atnn.model.Model.compute`.

    Attributes:
        structures: Batch in the model's floating-point type, but for its positions, which are float64.
        displacements: What :func:`bring_home` subtracts from the positions [Angstrom], float64.
        origins: Origin of each structure that :func:`bring_home` leaves [Angstrom].
        near: Pairs within the cutoff of the representation.
        far: Pairs within the largest cutoff of the parts; None if no part reaches beyond the representation.
        molecular: All pairs within each molecule; None if no part needs them. See :class:`atnn.parts.Scene`.
        rows: Atoms of the rows of quantities of pairs and of adsorbates that parts give.
        probe: Vectors with which second derivatives by the positions are contracted, as training needs them; None for
            whole matrices.
        elements: Atoms in blocks of one element.
        reference: Sum of the elements' reference energies of each structure [eV], float64.
    """

    structures: Structures
    displacements: Float[Tensor, "atoms 3"]
    origins: Float[Tensor, "structures 3"]
    near: Pairs
    far: Pairs | None
    molecular: Int[Tensor, "2 molecular"] | None
    elements: Elements
    reference: Float[Tensor, " structures"]
    rows: Rows = Rows()
    probe: Float[Tensor, "atoms 3"] | None = None


# Name of the number of rows of each axis of the table of quantities, for compiled code.
ROWS: dict[Axis, str] = {
    "structure": "structures", "atom": "atoms", "adsorbate": "adsorbates", "atom_pair": "atom_pairs",
    "adsorbate_pair": "adsorbate_pairs",
}  # fmt: skip
Names = tuple[str | None, ...]
Given = tuple[bool, ...]

# For every tensor of the inputs, in the order of flatten_inputs, names of the sizes that vary from call to call.
_STRUCTURES: tuple[Names, ...] = (
    ("atoms", None), ("atoms",), ("structures", None, None), ("structures", None), ("atoms",),
    *(("structures", *(None,) * len(entry.shape)) for entry in STATED.values()),
)  # fmt: skip
_NEAR, _FAR = (((name,), (name,), (name, None), (name,), ("atoms+1",), (name, None)) for name in ("pairs", "far"))
_ELEMENTS: tuple[Names, ...] = (("atoms",), ("blocks", "rows"), ("blocks", "rows"), ("blocks",), ("atoms",))
_HOME: tuple[Names, ...] = (("atoms", None), ("structures", None))
_ROWS: tuple[Names, ...] = (
    ("adsorbates",), (None, "atom_pairs"), (None, "adsorbate_pairs"), ("adsorbates",), (None, "couplings"),
)  # fmt: skip
_SIZES: tuple[Names, ...] = (
    *_STRUCTURES, *_HOME, *_NEAR, *_FAR, (None, "molecular"), *_ELEMENTS, ("structures",), *_ROWS, ("atoms", None),
)  # fmt: skip


def flatten_inputs(inputs: Inputs) -> tuple[list[Tensor], Given]:
    """List the tensors of the inputs in a fixed order, and tell which of all possible ones are present."""
    s = inputs.structures
    far = (*inputs.far.neighbors, inputs.far.translations) if inputs.far is not None else (None,) * len(_FAR)
    slots = (
        s.positions, s.numbers, s.cell, s.pbc, s.batch, *(getattr(s, name) for name in STATED),
        inputs.displacements, inputs.origins,
        *inputs.near.neighbors, inputs.near.translations, *far, inputs.molecular, *inputs.elements, inputs.reference,
        *inputs.rows, inputs.probe,
    )  # fmt: skip
    return [tensor for tensor in slots if tensor is not None], tuple(tensor is not None for tensor in slots)


def name_sizes(given: Given) -> list[Names]:
    """Name the sizes that vary from call to call, for every tensor of :func:`flatten_inputs`."""
    return [names for names, there in zip(_SIZES, given, strict=True) if there]


def unflatten_inputs(tensors: Sequence[Tensor], given: Given) -> Inputs:
    """Put the tensors of :func:`flatten_inputs` together again."""
    rest = iter(tensors)
    slots: Iterator[Any] = iter([next(rest) if there else None for there in given])
    structures = Structures(*_take(slots, _STRUCTURES))
    displacements, origins = _take(slots, _HOME)
    near, far = _take(slots, _NEAR), _take(slots, _FAR)
    molecular, elements, reference = next(slots), Elements(*_take(slots, _ELEMENTS)), next(slots)
    pairs = [None if part[0] is None else Pairs(Neighbors(*part[:-1]), part[-1]) for part in (near, far)]
    assert pairs[0] is not None
    rows = Rows(*_take(slots, _ROWS))
    return Inputs(
        structures, displacements, origins, pairs[0], pairs[1], molecular, elements, reference, rows, next(slots)
    )


def bring_home(inputs: Inputs) -> Structures:
    """Bring the atoms near the origin, see :class:`atnn.neighbors.Home`, and round their positions only then."""
    positions = inputs.structures.positions - inputs.displacements
    return inputs.structures.replace(positions=positions.to(inputs.structures.cell.dtype))


def translate_pairs(structures: Structures, neighbors: Neighbors) -> Pairs:
    """Add to neighbors the translations that follow from the cells."""
    cells = structures.cell[structures.batch[neighbors.i]]
    return Pairs(neighbors, torch.einsum("ec,ecx->ex", neighbors.shifts, cells))


def group_elements(index: Int[Tensor, " atoms"], elements: int, dtype: torch.dtype = torch.float64) -> Elements:
    """Sort atoms into blocks of rows of one element each.

    There are at least two blocks and two rows, so that compiled sizes stay general. The number of rows balances free
    rows, which are computed in vain, against the number of small products.
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


def _take(slots: Iterator, names: Sequence) -> list:
    return list(islice(slots, len(names)))
