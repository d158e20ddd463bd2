"""Loss of any mixture of quantities, averaged over the labelled values.

    L = sum_q  w_q / n_q  sum_{labelled values}  l( error_q / spread_q )

``l`` is the square or the Huber function, ``n_q`` the number of labelled values in the whole batch (of all processes),
and ``spread_q`` the spread of the training labels. Errors of quantities that grow with the number of atoms, such as
energies and virials, are taken per atom (:attr:`atnn.quantities.Quantity.per_atom`). A weight therefore means the same
for any batch size, any composition of the batch and any unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import huber_loss

from atnn.model import Inputs
from atnn.quantities import QUANTITIES
from atnn.structures import Labelled


def label_errors(
    predicted: Mapping[str, Tensor], labels: Mapping[str, Tensor], masks: Mapping[str, Tensor], inputs: Inputs
) -> dict[str, Tensor]:
    """Differences between predictions and labels, zero where a label is missing, per atom where the table says so.

    Energies are subtracted in float64, before anything is rounded.

    Args:
        predicted: Quantity -> values of the model.
        labels: Quantity -> labels.
        masks: Quantity -> whether each row has a label.
        inputs: The inputs of the model.
    """
    batch, reference = inputs.structures.batch, inputs.structures.cell
    counts = reference.new_zeros(reference.shape[0]).index_add(0, batch, reference.new_ones(batch.shape))
    results = {}
    for name, label in labels.items():
        q = QUANTITIES[name]
        difference = (predicted[name].to(label.dtype) - label).to(reference.dtype)
        tail = (1,) * (difference.dim() - 1)
        if q.per_atom:
            difference = difference / counts.reshape(-1, *tail)
        results[name] = torch.where(masks[name].reshape(-1, *tail), difference, 0.0)
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
    """Count the labelled values of each quantity, float64."""
    result = []
    for name in names:
        mask, q = labelled.masks[name], QUANTITIES[name]
        values = (mask * labelled.structures.count_rows(q.axis)).sum()
        result.append(float(values) * float(torch.tensor(q.shape).prod()))
    return torch.tensor(result, dtype=torch.float64)
