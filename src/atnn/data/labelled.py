"""Operations on labelled structures: joining, selecting, checking."""

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
    """One labelled batch of several; a label that a part lacks is zero and masked out there.

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
        filled = [_label_or_zeros(part, name) for part in parts]
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
    atoms = structures.atoms_of(order)
    labels = {name: value[atoms if quantity(name).axis == "atom" else order] for name, value in labelled.labels.items()}
    return Labelled(structures.select(order), labels, {name: mask[order] for name, mask in labelled.masks.items()})


def check_labels(labelled: Labelled, where: str = "") -> None:
    """Shapes of labels and masks fit the structures.

    Raises:
        DataError: A label has another shape than the table of quantities says, or no mask.
    """
    structures = labelled.structures
    for name, value in labelled.labels.items():
        entry = quantity(name)
        rows = len(structures.numbers) if entry.axis == "atom" else len(structures)
        if tuple(value.shape) != (rows, *entry.shape):
            raise DataError(
                f"{name} has the shape {tuple(value.shape)}, expected {(rows, *entry.shape)}",
                where=where,
                remedy=f"give one value of shape {entry.shape} per {entry.axis}",
            )
        mask = labelled.masks.get(name)
        if mask is None or tuple(mask.shape) != (len(structures),):
            raise DataError(
                f"{name} has no mask of one value per structure",
                where=where,
                remedy=f"set masks[{name!r}] to torch.ones(len(structures), dtype=torch.bool)",
            )


def _label_or_zeros(part: Labelled, name: str) -> tuple[Tensor, Tensor]:
    structures = part.structures
    if name in part.labels:
        return part.labels[name], part.masks[name]
    entry = quantity(name)
    rows = len(structures.numbers) if entry.axis == "atom" else len(structures)
    zeros = structures.positions.new_zeros((rows, *entry.shape), dtype=torch.float64)
    return zeros, torch.zeros(len(structures), dtype=torch.bool, device=zeros.device)
