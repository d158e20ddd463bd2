"""Statistics of the training labels: their spreads and the means of the elements."""

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


def measure_spreads(
    dataset: Dataset, names: Sequence[str], energies: Mapping[int, float], means: Means
) -> dict[str, float]:
    """Compute the spread of the training labels of each quantity, in its unit.

    For scalars of structures it is the standard deviation. For scalars of atoms it is the root mean square deviation
    from the mean of the element, which for charges in ionic matter is much smaller than the charges themselves. For
    vectors and tensors it is the root mean square. Reference energies are subtracted from energies first, and
    quantities whose errors count per atom are divided by the number of atoms.

    Args:
        dataset: The training data.
        names: Quantities in the loss.
        energies: Atomic number -> reference energy [eV].
        means: Quantity -> mean label of each element, see :func:`average_labels`.
    """
    total, squares, number = ({name: 0.0 for name in names} for _ in range(3))
    for part in batches_of(dataset):
        for name in names:
            if name not in part.labels:
                continue
            value = _scale_labels(part, name, energies)
            if name in means:
                value = value - _look_up(means[name], part.structures.numbers[_find_labelled_atoms(part, name)])
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


def average_energy(dataset: Dataset, energies: Mapping[int, float]) -> float:
    """Compute the mean energy per atom [eV] relative to the reference energies; zero if no energy is labelled."""
    values = [_scale_labels(part, "energy", energies) for part in batches_of(dataset) if "energy" in part.labels]
    return float(torch.cat(values).mean()) if values else 0.0


def average_labels(dataset: Dataset, names: Sequence[str]) -> dict[str, dict[int, float]]:
    """Compute the mean label of each element, by atomic number, for scalars of atoms other than energies."""
    rows = [QUANTITIES[name] for name in names]
    return {
        q.name: _average_by_element(dataset, q.name)
        for q in rows
        if q.axis == "atom" and not q.shape and not q.referenced
    }


def _average_by_element(dataset: Dataset, name: str) -> dict[int, float]:
    total, number = torch.zeros(2, len(chemical_symbols), dtype=torch.float64)
    for part in batches_of(dataset):
        if name in part.labels:
            chosen = _find_labelled_atoms(part, name)
            numbers, values = part.structures.numbers[chosen], part.labels[name][chosen].double()
            total.index_add_(0, numbers, values)
            number.index_add_(0, numbers, torch.ones_like(values))
    return {z: float(total[z] / number[z]) for z in number.nonzero()[:, 0].tolist()}


def _scale_labels(part: Labelled, name: str, energies: Mapping[int, float]) -> Tensor:
    structures, mask, row = part.structures, part.masks[name], QUANTITIES[name]
    value = part.labels[name].double()
    if row.referenced:
        atoms = _look_up(energies, structures.numbers)
        value = value - (sum_reference_energies(structures, energies) if row.axis == "structure" else atoms)
    if row.per_atom:
        value = value / structures.counts.reshape(-1, *(1,) * (value.dim() - 1))
    return value[mask[structures.rows(row.axis)]]


def _find_labelled_atoms(part: Labelled, name: str) -> Tensor:
    return part.masks[name][part.structures.batch]


def _look_up(values: Mapping[int, float], numbers: Tensor) -> Tensor:
    """Look up the value of each atom's element, float64; zero if the element has none."""
    table = torch.zeros(len(chemical_symbols), dtype=torch.float64)
    for z, value in values.items():
        table[z] = value
    return table[numbers]


def sum_reference_energies(structures: Structures, energies: Mapping[int, float]) -> Float[Tensor, " structures"]:
    """Sum the reference energies of the atoms of each structure [eV], float64."""
    atoms = _look_up(energies, structures.numbers)
    return torch.zeros(len(structures), dtype=torch.float64).index_add(0, structures.batch, atoms)
