"""Loss of any mixture of quantities, averaged over the labelled values.

    L = sum_q  w_q / n_q  sum_{labelled values}  l( error_q / spread_q )

``l`` is the square or the Huber function, ``n_q`` the number of labelled values in the whole batch (of all processes),
and ``spread_q`` the spread of the training labels. Errors of quantities that grow with the number of atoms, such as
energies and virials, are taken per atom (:attr:`atnn.quantities.Quantity.per_atom`). A weight therefore means the same
for any batch size, any composition of the batch and any unit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import huber_loss

from atnn.model import Inputs
from atnn.quantities import QUANTITIES
from atnn.structures import Labelled
from atnn.training.equivalents import approach_label, count_sides, find_labelled_rows, find_missing


def label_errors(
    predicted: Mapping[str, Tensor],
    labels: Mapping[str, Tensor],
    masks: Mapping[str, Tensor],
    inputs: Inputs,
    modulo: bool = False,
) -> dict[str, Tensor]:
    """Differences between predictions and labels, zero where a label is missing, per atom where the table says so.

    Energies are subtracted in float64, before anything is rounded. Among values that mean the same, the nearest counts
    (:func:`atnn.training.equivalents.approach_label`).

    Args:
        predicted: Quantity -> values of the model.
        labels: Quantity -> labels.
        masks: Quantity -> whether each row has a label.
        inputs: The inputs of the model.
        modulo: Whether dipoles of periodic structures count modulo the quanta of polarisation.
    """
    batch, reference = inputs.structures.batch, inputs.structures.cell
    counts = reference.new_zeros(reference.shape[0]).index_add(0, batch, reference.new_ones(batch.shape))
    results = {}
    for name, label in labels.items():
        q = QUANTITIES[name]
        mask = masks[name]
        if q.partial:
            mask, label = mask & ~find_missing(q, label), label.nan_to_num()
        value = approach_label(name, predicted[name].to(label.dtype), label, inputs.structures, modulo)
        difference = (value - label).to(reference.dtype)
        tail = (1,) * (difference.dim() - 1)
        if q.per_atom:
            difference = difference / counts.reshape(-1, *tail)
        results[name] = torch.where(mask.reshape(-1, *tail), difference, 0.0)
    return results


def sum_losses(
    differences: Mapping[str, Tensor], spreads: Float[Tensor, " quantities"], kind: str
) -> tuple[Float[Tensor, " quantities"], Float[Tensor, " quantities"]]:
    """Sum the scaled loss terms and the squared errors of each quantity."""
    scaled = [difference / spread for difference, spread in zip(differences.values(), spreads, strict=True)]
    if kind == "huber":
        terms = [2 * huber_loss(x, torch.zeros_like(x), reduction="sum") for x in scaled]
    else:
        terms = [(x * x).sum() for x in scaled]
    return torch.stack(terms), torch.stack([(d.detach() * d.detach()).sum() for d in differences.values()])


def count_labels(labelled: Labelled, names: Sequence[str]) -> Float[Tensor, " quantities"]:
    """Count the labelled values of each quantity, without padding, float64."""
    result = []
    for name in names:
        row, rows = QUANTITIES[name], find_labelled_rows(labelled, name)
        if row.sizes:
            result.append(float(count_sides(row, labelled.structures).prod(0)[rows].sum()))
        else:
            result.append(float(rows.sum()) * math.prod(row.shape))
    return torch.tensor(result, dtype=torch.float64)
