"""Statistics of the training labels of pairs of atoms, such as the blocks of Hamiltonians."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from atnn.data import Dataset, batches_of
from atnn.parts import PairMoments
from atnn.quantities import QUANTITIES, Quantity
from atnn.training.statistics import MINIMAL_SPREAD

Moments = Mapping[tuple[int, int], PairMoments]


def measure_pairs(dataset: Dataset, names: Sequence[str]) -> dict[str, Moments]:
    """Compute mean and mean square of the labels of pairs of two elements, for quantities that are no derivative.

    The second element is 0 where an atom is its own partner.
    """
    learned = [name for name in names if QUANTITIES[name].axis == "atom_pair" and QUANTITIES[name].derivative is None]
    sums: dict[str, dict[tuple[int, int], tuple[int, Any, Any]]] = {name: {} for name in learned}
    for part in batches_of(dataset):
        structures = part.structures
        i, j = structures.pairs("atom_pair")
        first, second = structures.numbers[i], torch.where(i == j, 0, structures.numbers[j])
        for name in set(learned) & set(part.labels):
            labelled = part.masks[name][structures.rows("atom_pair")]
            for kind in torch.stack([first, second], dim=1)[labelled].unique(dim=0).tolist():
                values = part.labels[name][labelled & (first == kind[0]) & (second == kind[1])].double()
                count, total, squares = sums[name].get((kind[0], kind[1]), (0, 0.0, 0.0))
                sums[name][kind[0], kind[1]] = (
                    count + len(values), total + values.sum(0), squares + values.square().sum(0),
                )  # fmt: skip
    return {
        name: {
            kind: PairMoments(total / count, squares / count, count) for kind, (count, total, squares) in found.items()
        }
        for name, found in sums.items()
    }


def spread_pairs(row: Quantity, moments: Moments) -> float:
    """Compute the spread of the labels of pairs: around the means of the elements where atoms are their own partners.

    The blocks of an atom with itself hold constants of hundreds of eV, which a model starts from. Padding, which is
    zero, does not count.
    """
    sizes, total, count = dict(row.sizes), 0.0, 0
    for (first, second), m in moments.items():
        total += m.number * float((m.square - (0.0 if second else m.mean**2)).sum())
        count += m.number * (sizes[first] * sizes[second or first] if sizes else math.prod(row.shape))
    return max(math.sqrt(max(total / max(count, 1), 0.0)), MINIMAL_SPREAD)
