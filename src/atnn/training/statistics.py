"""What is known of the training labels before a training: their spreads, and the means of the elements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from ase.data import chemical_symbols
from jaxtyping import Float
from torch import Tensor

from atnn.data import Dataset, batches_of
from atnn.quantities import QUANTITIES
from atnn.structures import Labelled, Structures

MINIMAL_SPREAD = 1e-6
Means = Mapping[str, Mapping[int, float]]


def label_spreads(
    dataset: Dataset, names: Sequence[str], energies: Mapping[int, float], means: Means
) -> dict[str, float]:
    """Spread of the training labels of each quantity, in its unit.

    Numbers of structures: the standard deviation, of energies that of what the reference energies leave, per atom.
    Numbers of atoms: the root mean square of what the means of the elements leave, which of charges in ionic matter is
    a small part. Vectors and tensors: the root mean square.

    Args:
        dataset: The training data.
        names: The quantities.
        energies: Reference energies [eV] of the elements.
        means: Quantity of the atoms -> mean of each element, see :func:`element_means`.
    """
    total, squares, number = ({name: 0.0 for name in names} for _ in range(3))
    for part in batches_of(dataset):
        for name in names:
            if name not in part.labels:
                continue
            value = _scaled_labels(part, name, energies)
            if name in means:
                value = value - _of_elements(means[name], part.structures.numbers[_labelled_atoms(part, name)])
            total[name] += float(value.sum())
            squares[name] += float((value * value).sum())
            number[name] += value.numel()
    spreads = {}
    for name in names:
        mean_square = squares[name] / max(number[name], 1)
        if QUANTITIES[name].axis == "structure" and QUANTITIES[name].rank == 0:
            mean_square -= (total[name] / max(number[name], 1)) ** 2
        spreads[name] = max(mean_square, 0.0) ** 0.5 or 1.0
        spreads[name] = max(spreads[name], MINIMAL_SPREAD)
    return spreads


def mean_energy(dataset: Dataset, energies: Mapping[int, float]) -> float:
    """Mean energy per atom [eV] that the reference energies leave; zero without energies."""
    values = [_scaled_labels(part, "energy", energies) for part in batches_of(dataset) if "energy" in part.labels]
    return float(torch.cat(values).mean()) if values else 0.0


def element_means(dataset: Dataset, names: Sequence[str]) -> dict[str, dict[int, float]]:
    """Mean of the labels of each element, by atomic number, of those quantities that are numbers of the atoms."""
    rows = [QUANTITIES[name] for name in names]
    return {q.name: _means(dataset, q.name) for q in rows if q.axis == "atom" and not q.shape and not q.referenced}


def _means(dataset: Dataset, name: str) -> dict[int, float]:
    total, number = torch.zeros(2, len(chemical_symbols), dtype=torch.float64)
    for part in batches_of(dataset):
        if name in part.labels:
            chosen = _labelled_atoms(part, name)
            numbers, values = part.structures.numbers[chosen], part.labels[name][chosen].double()
            total.index_add_(0, numbers, values)
            number.index_add_(0, numbers, torch.ones_like(values))
    return {z: float(total[z] / number[z]) for z in number.nonzero()[:, 0].tolist()}


def _scaled_labels(part: Labelled, name: str, energies: Mapping[int, float]) -> Tensor:
    structures, mask, row = part.structures, part.masks[name], QUANTITIES[name]
    value = part.labels[name].double()
    if row.referenced:
        atoms = _of_elements(energies, structures.numbers)
        value = value - (composition_energy(structures, energies) if row.axis == "structure" else atoms)
    if row.per_atom:
        value = value / structures.counts.reshape(-1, *(1,) * (value.dim() - 1))
    return value[mask if row.axis == "structure" else _labelled_atoms(part, name)]


def _labelled_atoms(part: Labelled, name: str) -> Tensor:
    return part.masks[name][part.structures.batch]


def _of_elements(values: Mapping[int, float], numbers: Tensor) -> Tensor:
    """The value of each atom's element, float64; zero where there is none."""
    table = torch.zeros(len(chemical_symbols), dtype=torch.float64)
    for z, value in values.items():
        table[z] = value
    return table[numbers]


def composition_energy(structures: Structures, energies: Mapping[int, float]) -> Float[Tensor, " structures"]:
    """Sum of the elements' reference energies of each structure [eV], float64."""
    atoms = _of_elements(energies, structures.numbers)
    return torch.zeros(len(structures), dtype=torch.float64).index_add(0, structures.batch, atoms)
