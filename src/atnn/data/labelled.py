"""Joining, selecting and checking labelled structures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from atnn.errors import DataError
from atnn.quantities import quantity
from atnn.structures import Labelled, Structures

Indices = Sequence[int] | np.ndarray | slice


def concatenate(parts: Iterable[Labelled]) -> Labelled:
    """One labelled batch of several. A label that a part lacks is zero and masked out there.

    Raises:
        DataError: There is nothing to concatenate.
    """
    parts = list(parts)
    if not parts:
        raise DataError("nothing to concatenate", remedy="give at least one labelled structure")
    if len(parts) == 1:
        return parts[0]
    structures = Structures.concatenate(part.structures for part in parts)
    names = list(dict.fromkeys(name for part in parts for name in part.labels))
    labels, masks = {}, {}
    for name in names:
        filled = [_find_label_or_zeros(part, name) for part in parts]
        labels[name] = torch.cat([value for value, _ in filled])
        masks[name] = torch.cat([mask for _, mask in filled])
    return Labelled(structures, labels, masks)


def select(labelled: Labelled, indices: Indices | Int[Tensor, " selected"]) -> Labelled:
    """The structures of the given indices with their labels, in that order."""
    structures = labelled.structures
    if isinstance(indices, slice):
        indices = range(*indices.indices(len(structures)))
    order = torch.as_tensor(indices if isinstance(indices, Tensor | np.ndarray) else list(indices), dtype=torch.int64)
    order = order.to(structures.cell.device)
    rows = {axis: structures.select_rows(axis, order) for axis in {quantity(name).axis for name in labelled.labels}}
    labels = {name: value[rows[quantity(name).axis]] for name, value in labelled.labels.items()}
    return Labelled(structures.select(order), labels, {name: mask[order] for name, mask in labelled.masks.items()})


def check_labels(labelled: Labelled, where: str = "") -> None:
    """Check that the shapes of labels and masks fit the structures.

    Raises:
        DataError: A label has another shape than the table of quantities says, or no mask.
    """
    structures = labelled.structures
    for name, value in labelled.labels.items():
        shape = _find_shape(structures, name)
        if tuple(value.shape) != shape:
            raise DataError(
                f"{name} has the shape {tuple(value.shape)}, expected {shape}",
                where=where,
                remedy=f"give one value of shape {shape[1:]} per {quantity(name).axis.replace('_', ' ')}",
            )
        mask = labelled.masks.get(name)
        if mask is None or tuple(mask.shape) != (len(structures),):
            raise DataError(
                f"{name} has no mask of one value per structure",
                where=where,
                remedy=f"set masks[{name!r}] to torch.ones(len(structures), dtype=torch.bool)",
            )


def _find_shape(structures: Structures, name: str) -> tuple[int, ...]:
    entry = quantity(name)
    return (structures.totals[entry.axis], *entry.shape)


def _find_label_or_zeros(part: Labelled, name: str) -> tuple[Tensor, Tensor]:
    structures = part.structures
    if name in part.labels:
        return part.labels[name], part.masks[name]
    zeros = structures.positions.new_zeros(_find_shape(structures, name), dtype=torch.float64)
    return zeros, torch.zeros(len(structures), dtype=torch.bool, device=zeros.device)
