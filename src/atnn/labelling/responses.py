"""Responses to an electric field that labellers give on demand, by central differences between small fields."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
from jaxtyping import Float

from atnn.errors import LabellingError, suggest
from atnn.labelling.protocol import Labels
from atnn.structures import Structures

RESPONSES = ("polarizability", "born_charges")
STEP = 0.05  # V/Angstrom, about 0.001 atomic units; beyond it dipoles bend, below it they are not converged well enough
Vector = Float[np.ndarray, "3"]


def check_responses(responses: Collection[str], program: str) -> None:
    """Refuse responses that a labeller does not give.

    Raises:
        LabellingError: One is none of :data:`RESPONSES`.
    """
    for name in [responses] if isinstance(responses, str) else responses:
        if name not in RESPONSES:
            raise LabellingError(
                f"{program} labels no {name!r} as a response",
                remedy=f"{suggest(name, RESPONSES)}it gives {', '.join(RESPONSES)}",
            )


def describe_responses(responses: Collection[str]) -> dict[str, str | float]:
    """What the settings of a labeller say of its responses; nothing without them, as in stores that are older."""
    return {"responses": ",".join(sorted(set(responses))), "field_step": STEP} if responses else {}


def find_field(structure: Structures, program: str, demanded: Collection[str] = ()) -> Vector | None:
    """The electric field that one structure states [V/Angstrom], None for zero.

    Args:
        structure: The structure.
        program: Name of the method, for messages.
        demanded: Responses that are wanted of it.

    Raises:
        LabellingError: A periodic structure is in a field, or its response to one is wanted.
    """
    field = structure.applied_field[0].detach().double().cpu().numpy()
    if bool(structure.pbc.any()) and (field.any() or demanded):
        what = f"a response ({', '.join(demanded)}) of" if demanded else "an electric field on"
        raise LabellingError(
            f"{program} cannot calculate {what} a periodic structure, whose dipole has no origin",
            remedy="use molecules (pbc=False), or leave the field and the responses out",
        )
    return field if field.any() else None


def differentiate_by_field(
    calculate: Callable[[Vector], Labels], field: Vector | None, demanded: Collection[str], step: float = STEP
) -> Labels:
    """Responses by central differences, six calculations in fields that differ by one step.

    polarizability[x, y] = d dipole_x / d F_y, symmetrised, and born_charges[a, x, y] = d forces_ay / d F_x, which is
    d dipole_x / d r_ay. The error of the difference is of order step^2.

    Args:
        calculate: Dipole and, for Born charges, forces in a field [V/Angstrom].
        field: The field about which the responses are taken; None for zero.
        demanded: Which responses.
        step: Distance of the fields from it [V/Angstrom].
    """
    centre = np.zeros(3) if field is None else field
    pairs = [(calculate(centre + step * axis), calculate(centre - step * axis)) for axis in np.eye(3)]

    def slope(name: str) -> np.ndarray:
        return np.stack([(plus[name] - minus[name]) / (2 * step) for plus, minus in pairs])

    found = {}
    if "polarizability" in demanded:
        rows = slope("dipole")
        found["polarizability"] = (rows + rows.T) / 2
    if "born_charges" in demanded:
        found["born_charges"] = slope("forces").transpose(1, 0, 2)
    return found
