"""Errors of a model on labelled structures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from atnn.data import Dataset, select
from atnn.errors import DataError
from atnn.files import write_atomically
from atnn.model import Model, check_structures
from atnn.neighbors import neighbor_pairs
from atnn.quantities import QUANTITIES
from atnn.structures import Labelled


@dataclass(frozen=True, slots=True)
class QuantityErrors:
    """Predicted and reference values of one quantity, in its unit, one row per labelled structure or atom.

    Attributes:
        predicted, reference: The values; those of ``energy_per_atom`` are the energies divided by the atoms.
    """

    predicted: np.ndarray
    reference: np.ndarray

    @property
    def rmse(self) -> float:
        """Root mean square error over all components."""
        return float(np.sqrt(np.mean((self.predicted - self.reference) ** 2)))

    @property
    def mae(self) -> float:
        """Mean absolute error over all components."""
        return float(np.mean(np.abs(self.predicted - self.reference)))

    @property
    def maximum(self) -> float:
        """Largest absolute error of a component."""
        return float(np.max(np.abs(self.predicted - self.reference)))


Errors = dict[str, QuantityErrors]


def evaluate(
    model: Model, dataset: Dataset, quantities: Sequence[str] | None = None, batch_size: int = 64, where: str = "data"
) -> Errors:
    """Errors of the model for every quantity that it gives and the data have; energies also per atom.

    Args:
        model: The model.
        dataset: Labelled structures.
        quantities: Names to compare; all that both know when not given.
        batch_size: Structures computed at once.
        where: Name of the data in messages.

    Raises:
        DataError: Unknown elements, or no label that the model gives.
    """
    collected: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for labelled in _batches(dataset, batch_size):
        check_structures(model, labelled.structures, where)
        for name, pair in _compare(model, labelled, quantities):
            collected.setdefault(name, []).append(pair)
    if not collected:
        raise DataError(
            f"no label that the model gives ({', '.join(sorted(model.outputs))})",
            where=where,
            remedy="see `atnn data inspect` for the labels and keys that were found",
        )
    return {
        name: QuantityErrors(*(np.concatenate(part) for part in zip(*pairs, strict=True)))
        for name, pairs in collected.items()
    }


def _batches(dataset: Dataset, size: int) -> Iterator[Labelled]:
    for start in range(0, len(dataset), size):
        yield dataset[range(start, min(start + size, len(dataset)))]


def _compare(
    model: Model, labelled: Labelled, quantities: Sequence[str] | None
) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    wanted = model.outputs if quantities is None else set(quantities) & model.outputs
    names = [name for name in QUANTITIES if name in wanted and name in labelled.labels and labelled.masks[name].any()]
    periodic = labelled.structures.pbc.all(1)
    if "stress" in names and not bool(periodic.all()):
        chosen = periodic.nonzero()[:, 0]
        names.remove("stress")
        if len(chosen):
            yield from _compare(model, select(labelled, chosen), ["stress"])
    if not names:
        return
    structures = labelled.structures
    results = model(structures, neighbor_pairs(structures, model.cutoff), names)
    for name in names:
        mask = labelled.masks[name] if QUANTITIES[name].per == "structure" else labelled.masks[name][structures.batch]
        predicted = results[name].detach().cpu().double()[mask].numpy()
        reference = labelled.labels[name].double()[mask].numpy()
        yield name, (predicted, reference)
        if name == "energy":
            atoms = structures.counts[mask].double().numpy()
            yield "energy_per_atom", (predicted / atoms, reference / atoms)


def save_errors(path: Path, errors: Errors) -> None:
    """Keep predictions and references of :func:`evaluate` in a safetensors file."""
    arrays = {f"{name}.{part}": getattr(e, part) for name, e in errors.items() for part in ("predicted", "reference")}
    write_atomically(path, save({name: np.ascontiguousarray(a) for name, a in arrays.items()}))


def load_errors(path: Path) -> Errors:
    """Predictions and references kept by :func:`save_errors`."""
    with safe_open(path, framework="np") as file:
        names = dict.fromkeys(key.rpartition(".")[0] for key in file.keys())  # noqa: SIM118
        return {
            name: QuantityErrors(file.get_tensor(f"{name}.predicted"), file.get_tensor(f"{name}.reference"))
            for name in names
        }
