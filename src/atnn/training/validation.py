"""Errors on the validation data during training; the processes share the work."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from atnn.data import Dataset
from atnn.model import Model
from atnn.training.distributed import Processes
from atnn.training.loss import label_errors, sum_losses
from atnn.training.step import make_batch


def validation_errors(
    model: Model,
    dataset: Dataset,
    spreads: dict[str, float],
    loss: str,
    size: int,
    processes: Processes,
    modulo: bool = False,
) -> tuple[Float[Tensor, " quantities"], list[float]]:
    """Compute the mean loss term and the root mean square error of each quantity.

    Args:
        model: The model.
        dataset: The validation structures.
        spreads: Quantity -> spread of its training labels.
        loss: ``mse`` or ``huber``.
        size: Number of structures computed at once.
        processes: The processes of the run; each computes its share of the batches.
        modulo: Whether dipoles of periodic structures are compared modulo the quanta of polarisation.

    Returns:
        Loss terms, and errors in the units of the quantities. A quantity without labels has a loss term of zero and an
        error of NaN.
    """
    names = list(spreads)
    totals = torch.zeros(2, len(names), dtype=torch.float64)
    number = torch.zeros(len(names), dtype=torch.float64)
    scales = torch.tensor(list(spreads.values()), dtype=model.dtype, device=model.device)
    for start in processes.share(range(0, len(dataset), size)):
        batch = make_batch(model, dataset[range(start, min(start + size, len(dataset)))], names)
        with torch.enable_grad():
            predicted = model.compute(batch.inputs, names)
        predicted = {name: value.detach() for name, value in predicted.items()}
        errors = label_errors(predicted, batch.labels, batch.masks, batch.inputs, modulo)
        terms, squares = sum_losses(errors, scales, loss)
        totals += torch.stack([terms.detach().double().cpu(), squares.double().cpu()])
        number += batch.counts
    processes.add([totals, number])
    return totals[0] / number.clamp(min=1), (totals[1] / number).sqrt().tolist()
