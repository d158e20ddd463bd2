"""What a labeller is: one structure in, reference values out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np

from atnn.errors import LabellingError
from atnn.functions.species import LANTHANIDES
from atnn.structures import Structures

Labels = dict[str, np.ndarray]


@runtime_checkable
class Labeller(Protocol):
    """A method of electronic structure with everything fixed that its numbers depend on.

    Two labellers of equal ``settings`` give equal labels: the label store relies on it. A labeller travels to
    worker processes, so it holds plain values only.
    """

    @property
    def settings(self) -> Mapping[str, str | int | float]:
        """Program, its version, method and thresholds."""
        ...

    def __call__(self, structure: Structures) -> Labels:
        """Labels of one structure in the package's units, shaped as the table of quantities says.

        Raises:
            LabellingError: The calculation cannot be done, failed, or did not converge.
        """
        ...


def electrons(structure: Structures) -> tuple[int, int | None]:
    """Total charge [e] and unpaired electrons of one structure, checked.

    Returns:
        Charge, zero where nobody stated it, and spin, None where nobody stated it.

    Raises:
        LabellingError: Several structures, an external field, a fractional charge, or a number of unpaired
            electrons that this number of electrons cannot have.
    """
    if len(structure) != 1:
        raise LabellingError(f"{len(structure)} structures given to a labeller", remedy="give them one by one")
    if structure.field is not None and bool((structure.field != 0).any()):
        raise LabellingError("this labeller has no external electric field", remedy="remove `electric_field`")
    given = 0.0 if structure.charge is None else float(structure.charge[0])
    charge = round(given)
    if abs(given - charge) > 1e-6:
        raise LabellingError(f"fractional total charge {given}", remedy="give a whole number of electrons")
    if structure.spin is None:
        return charge, None
    spin, count = int(structure.spin[0]), int(structure.numbers.sum()) - charge
    odd_core = any(int(z) in LANTHANIDES for z in structure.numbers)
    if spin < 0 or spin > count or ((count - spin) % 2 and not odd_core):
        raise LabellingError(
            f"{count} electrons cannot have {spin} unpaired ones",
            remedy="correct `charge` or `spin`, or leave spin out",
        )
    return charge, spin
