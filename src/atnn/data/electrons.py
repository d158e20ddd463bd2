"""Numbers of electrons and of unpaired electrons that can be together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from atnn.errors import DataError
from atnn.functions.species import LANTHANIDES
from atnn.structures import Structures


def count_protons(structures: Structures) -> Float[Tensor, " structures"]:
    """Charge of the nuclei of each structure [e]."""
    zeros = torch.zeros(len(structures), dtype=torch.float64, device=structures.numbers.device)
    return zeros.index_add(0, structures.batch, structures.numbers.double())


def find_impossible_electrons(structures: Structures) -> Bool[Tensor, " structures"]:
    """Structures whose unpaired electrons are impossible for their charge.

    Parity is not checked where no spin is stated. It is not checked for lanthanides either: methods with an effective
    core may leave some of their f electrons out of both numbers.
    """
    if structures.spin is None:
        return torch.zeros(len(structures), dtype=torch.bool, device=structures.cell.device)
    electrons, spin = count_protons(structures) - structures.total_charge.double(), structures.spin.double()
    wrong = (spin < 0) | (spin > electrons)
    return wrong | (((electrons - spin) % 2 - 1).abs() < 1 - 1e-4) & ~_has_lanthanides(structures)


def refuse_impossible_electrons(structures: Structures, places: Sequence[str]) -> None:
    """Refuse structures whose unpaired electrons are impossible for their charge.

    Args:
        structures: The structures.
        places: File and frame of each.

    Raises:
        DataError: The message names the first such structure.
    """
    wrong = find_impossible_electrons(structures)
    if not bool(wrong.any()):
        return
    index = int(wrong.nonzero()[0])
    electrons = float(count_protons(structures)[index] - structures.total_charge[index])
    assert structures.spin is not None
    raise DataError(
        f"{electrons:g} electrons cannot have {int(structures.spin[index])} unpaired ones",
        where=places[index],
        remedy="correct `charge` or `spin`, the number of unpaired electrons and not the multiplicity, in every frame; "
        'or leave the spin unread: keys={"spin": None}',
    )


def _has_lanthanides(structures: Structures) -> Bool[Tensor, " structures"]:
    present = (structures.numbers >= LANTHANIDES.start) & (structures.numbers < LANTHANIDES.stop)
    count = torch.zeros(len(structures), dtype=torch.int64, device=present.device)
    return count.index_add(0, structures.batch, present.long()) > 0
