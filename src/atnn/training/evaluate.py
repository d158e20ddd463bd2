"""Errors of a model on labelled structures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from atnn.archives import Archive, encode
from atnn.data import Dataset, batches_of, select
from atnn.errors import DataError
from atnn.files import write_atomically
from atnn.model import Model
from atnn.neighbors import neighbor_pairs
from atnn.quantities import QUANTITIES
from atnn.structures import Labelled, Structures
from atnn.training.equivalents import approach_label, find_elements, find_labelled_rows
from atnn.training.sets import Subset

FORMAT = "atnn-errors"
VERSION = 2  # 1: without frames and atoms


@dataclass(frozen=True, slots=True)
class QuantityErrors:
    """Predicted and reference values of one quantity, in its unit, with one row per labelled structure, atom or pair.

    Matrices of orbitals are padded to the size of the largest element. They have one row per element of the matrix that
    is no padding.

    Attributes:
        predicted: Predicted values; for ``energy_per_atom``, energies divided by the number of atoms.
        reference: Labels, likewise.
        numbers: Atomic numbers, if the rows are atoms; files of earlier versions lack them.
        frames: Index of the structure of each row in the data, in their file where they are a part of one; files of
            earlier versions lack it.
        atoms: Index of the atom in that structure, if the rows are atoms; likewise.
    """

    predicted: np.ndarray
    reference: np.ndarray
    numbers: np.ndarray | None = None
    frames: np.ndarray | None = None
    atoms: np.ndarray | None = None

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
        """Largest absolute error of any component."""
        return float(np.max(np.abs(self.predicted - self.reference)))


Errors = dict[str, QuantityErrors]
Arrays = dict[str, np.ndarray]  # attributes of QuantityErrors


def evaluate(
    model: Model,
    dataset: Dataset,
    quantities: Sequence[str] | None = None,
    batch_size: int = 64,
    where: str = "data",
    dipole_modulo: bool = False,
) -> Errors:
    """Compare the model with the labels of every quantity that it gives; energies also per atom.

    Predictions that are defined up to a sign have the sign nearer to the label.

    Args:
        model: The model.
        dataset: Labelled structures.
        quantities: Quantities to compare; by default all that the model gives and the data have.
        batch_size: Number of structures computed at once.
        where: Name of the data in error messages.
        dipole_modulo: Whether dipoles of periodic structures are compared modulo the quanta of polarisation. The
            prediction then is on the branch nearest to the label.

    Raises:
        DataError: The data have elements that the model does not know, or no label of a quantity that it gives.
    """
    collected: dict[str, list[Arrays]] = {}
    places = torch.from_numpy(dataset.indices) if isinstance(dataset, Subset) else torch.arange(len(dataset))
    done = 0
    for labelled in batches_of(dataset, batch_size):
        model.check_structures(labelled.structures, where)
        frames = places[done : done + len(labelled.structures)]
        for name, values in _compare(model, labelled, quantities, frames, dipole_modulo):
            collected.setdefault(name, []).append(values)
        done += len(frames)
    if not collected:
        raise DataError(
            f"no label that the model gives ({', '.join(sorted(model.outputs))})",
            where=where,
            remedy="see `atnn data inspect` for the labels and keys that were found",
        )
    return {
        name: QuantityErrors(**{part: np.concatenate([batch[part] for batch in batches]) for part in batches[0]})
        for name, batches in collected.items()
    }


def _compare(
    model: Model,
    labelled: Labelled,
    quantities: Sequence[str] | None,
    frames: Int[Tensor, " structures"],
    modulo: bool,
) -> Iterator[tuple[str, Arrays]]:
    wanted = model.outputs if quantities is None else set(quantities) & model.outputs
    names = [name for name in QUANTITIES if name in wanted and name in labelled.labels and labelled.masks[name].any()]
    periodic = labelled.structures.pbc.all(1)
    over_volume = [name for name in names if QUANTITIES[name].per_volume]
    if over_volume and not bool(periodic.all()):
        chosen = periodic.nonzero()[:, 0]
        names = [name for name in names if name not in over_volume]
        if len(chosen):
            yield from _compare(model, select(labelled, chosen), over_volume, frames[chosen], modulo)
    if not names:
        return
    structures = labelled.structures
    results = model(structures, neighbor_pairs(structures, model.cutoff), names)
    for name in names:
        axis = QUANTITIES[name].axis
        mask, label = find_labelled_rows(labelled, name), labelled.labels[name].double()
        nearest = approach_label(name, results[name].detach().cpu().double(), label, structures, modulo)
        if QUANTITIES[name].sizes:
            mask = mask[:, None, None] & find_elements(QUANTITIES[name], structures)
        predicted, reference = nearest[mask].numpy(), label[mask].numpy()
        if axis == "atom":
            rows = _name_atoms(structures, frames, mask)
        else:
            rows = {"frames": frames[structures.rows(axis)[mask.nonzero()[:, 0]]].int().numpy()}
        yield name, {"predicted": predicted, "reference": reference, **rows}
        if QUANTITIES[name].per_atom and not QUANTITIES[name].shape:
            atoms = structures.counts[mask].double().numpy()
            yield f"{name}_per_atom", {"predicted": predicted / atoms, "reference": reference / atoms, **rows}


def _name_atoms(structures: Structures, frames: Int[Tensor, " structures"], mask: Bool[Tensor, " atoms"]) -> Arrays:
    first = structures.counts.cumsum(0) - structures.counts
    within = torch.arange(len(structures.batch)) - first[structures.batch]
    found = {"numbers": structures.numbers, "frames": frames[structures.batch].int(), "atoms": within.int()}
    return {name: values[mask].numpy() for name, values in found.items()}


def save_errors(path: Path, errors: Errors) -> None:
    """Write the predictions and references of :func:`evaluate` to a sealed safetensors file."""
    arrays = {f"{name}.{part.name}": getattr(e, part.name) for name, e in errors.items() for part in fields(e)}
    tensors = {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays.items() if a is not None}
    write_atomically(path, encode({"format": FORMAT, "version": VERSION}, tensors))


def load_errors(path: Path) -> Errors:
    """Read the predictions and references that :func:`save_errors` wrote.

    Raises:
        DataError: The file is missing, damaged, or holds something else.
    """
    # Files that are older than the format have no header.
    archive = Archive(path, FORMAT, VERSION, remedy="evaluate the model again", headless=True)
    parts: dict[str, dict[str, np.ndarray]] = {}
    for key in archive.names:
        name, _, part = key.rpartition(".")
        parts.setdefault(name, {})[part] = archive[key].numpy()
    try:
        return {name: QuantityErrors(**arrays) for name, arrays in parts.items()}
    except TypeError as error:
        raise archive.damaged(f"it holds no predictions with their references ({error})") from error
