"""Loss of any mixture of quantities, averaged over the labels that are there.

    L = sum_q  w_q / n_q  sum_{labelled values}  l( error_q / spread_q )

``l`` is the square or Huber's function, ``n_q`` the number of labelled values in the whole batch (of all processes),
``spread_q`` the spread of the training labels. Energies and virials count per atom. So a weight means the same for any
batch size, any composition of the batch and any unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from ase.data import chemical_symbols
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import huber_loss

from atnn.data import Dataset, batches_of
from atnn.model import Inputs
from atnn.quantities import QUANTITIES
from atnn.structures import Labelled, Structures

MINIMAL_SPREAD = 1e-6


def errors(
    predicted: Mapping[str, Tensor], labels: Mapping[str, Tensor], masks: Mapping[str, Tensor], inputs: Inputs
) -> dict[str, Tensor]:
    """Differences to the labels, zero where there is none; extensive ones per atom.

    The difference of energies is taken in float64 before anything is rounded.
    """
    batch, reference = inputs.structures.batch, inputs.structures.positions
    counts = reference.new_zeros(inputs.reference.shape[0]).index_add(0, batch, torch.ones_like(reference[:, 0]))
    results = {}
    for name, label in labels.items():
        q = QUANTITIES[name]
        difference = (predicted[name].to(label.dtype) - label).to(reference.dtype)
        mask = masks[name] if q.axis == "structure" else masks[name][batch]
        tail = (1,) * len(q.shape)
        if per_atom(name):
            difference = difference / counts.reshape(-1, *tail)
        results[name] = torch.where(mask.reshape(-1, *tail), difference, 0.0)
    return results


def per_atom(name: str) -> bool:
    """Whether errors of a quantity are counted per atom."""
    return name in ("energy", "virial")


def sums(
    differences: Mapping[str, Tensor], spreads: Float[Tensor, " quantities"], kind: str
) -> tuple[Float[Tensor, " quantities"], Float[Tensor, " quantities"]]:
    """Sums of the scaled loss terms and of the squared errors of each quantity."""
    scaled = [difference / spread for difference, spread in zip(differences.values(), spreads, strict=True)]
    if kind == "huber":
        terms = [2 * huber_loss(x, torch.zeros_like(x), reduction="sum") for x in scaled]
    else:
        terms = [(x * x).sum() for x in scaled]
    return torch.stack(terms), torch.stack([(d.detach() * d.detach()).sum() for d in differences.values()])


def counts(labelled: Labelled, names: Sequence[str]) -> Float[Tensor, " quantities"]:
    """Number of labelled values of each quantity, float64."""
    atoms = labelled.structures.counts
    result = []
    for name in names:
        mask, q = labelled.masks[name], QUANTITIES[name]
        values = mask.sum() if q.axis == "structure" else (mask * atoms).sum()
        result.append(float(values) * float(torch.tensor(q.shape).prod()))
    return torch.tensor(result, dtype=torch.float64)


def label_spreads(
    dataset: Dataset, names: Sequence[str], energies: Mapping[int, float], charges: Mapping[int, float]
) -> dict[str, float]:
    """Spread of the training labels of each quantity, in its unit.

    Energies: standard deviation per atom of what the reference energies leave; others: root mean square, of charges
    that of what the means of the elements leave, which in ionic matter is a small part.

    Args:
        dataset: The training data.
        names: The quantities.
        energies: Reference energies [eV] of the elements.
        charges: Mean charges [e] of the elements.
    """
    total, squares, number = ({name: 0.0 for name in names} for _ in range(3))
    for part in batches_of(dataset):
        for name in names:
            if name not in part.labels:
                continue
            value = _scaled_labels(part, name, energies)
            if name == "charges":
                value = value - _of_elements(charges, part.structures.numbers[_labelled_atoms(part, name)])
            total[name] += float(value.sum())
            squares[name] += float((value * value).sum())
            number[name] += value.numel()
    spreads = {}
    for name in names:
        mean_square = squares[name] / max(number[name], 1)
        if name == "energy":
            mean_square -= (total[name] / max(number[name], 1)) ** 2
        spreads[name] = max(mean_square, 0.0) ** 0.5 or 1.0
        spreads[name] = max(spreads[name], MINIMAL_SPREAD)
    return spreads


def mean_energy(dataset: Dataset, energies: Mapping[int, float]) -> float:
    """Mean energy per atom [eV] that the reference energies leave; zero without energies."""
    values = [_scaled_labels(part, "energy", energies) for part in batches_of(dataset) if "energy" in part.labels]
    return float(torch.cat(values).mean()) if values else 0.0


def mean_charges(dataset: Dataset) -> dict[int, float]:
    """Mean of the labelled charges of each element [e], by atomic number."""
    total, number = torch.zeros(2, len(chemical_symbols), dtype=torch.float64)
    for part in batches_of(dataset):
        if "charges" in part.labels:
            chosen = _labelled_atoms(part, "charges")
            numbers, charges = part.structures.numbers[chosen], part.labels["charges"][chosen].double()
            total.index_add_(0, numbers, charges)
            number.index_add_(0, numbers, torch.ones_like(charges))
    return {z: float(total[z] / number[z]) for z in number.nonzero()[:, 0].tolist()}


def _scaled_labels(part: Labelled, name: str, energies: Mapping[int, float]) -> Tensor:
    structures, mask = part.structures, part.masks[name]
    value = part.labels[name].double()
    if name == "energy":
        value = value - composition_energy(structures, energies)
    if per_atom(name):
        value = value / structures.counts.reshape(-1, *(1,) * (value.dim() - 1))
    return value[mask if QUANTITIES[name].axis == "structure" else _labelled_atoms(part, name)]


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
