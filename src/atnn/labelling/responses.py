"""Responses that labellers give on demand, by central differences between small fields or small displacements."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
import torch
from jaxtyping import Float

from atnn.data.matrices import split_matrix
from atnn.errors import LabellingError, suggest
from atnn.labelling.protocol import Labels
from atnn.quantities import QUANTITIES
from atnn.structures import Structures

FIELD_RESPONSES = ("polarizability", "born_charges")
RESPONSES = (*FIELD_RESPONSES, "hessian")
STEP = 0.05  # V/Angstrom, about 0.001 atomic units; beyond it dipoles bend, below it they are not converged well enough
DISPLACEMENT = 0.005  # Angstrom; twice it changes Hessians of GFN2-xTB by 2e-4 of their largest element
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
    steps = {"field_step": STEP} if set(responses) & set(FIELD_RESPONSES) else {}
    return {"responses": ",".join(sorted(set(responses))), **steps} if responses else {}


def find_field(structure: Structures, program: str, demanded: Collection[str] = ()) -> Vector | None:
    """The electric field that one structure states [V/Angstrom], None for zero.

    Args:
        structure: The structure.
        program: Name of the method, for messages.
        demanded: Responses that are wanted of it.

    Raises:
        LabellingError: A periodic structure is in a field, or its response to one is wanted.
    """
    demanded = [name for name in demanded if name in FIELD_RESPONSES]
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


def differentiate_by_position(
    calculate: Callable[[Structures], np.ndarray], structure: Structures, step: float = DISPLACEMENT
) -> Float[np.ndarray, "pairs 3 3"]:
    """Hessian by central differences of forces, six calculations for each atom, symmetrised [eV/Angstrom^2].

    The row of the atoms a and b is -d forces_a / d r_b. The error of the difference is of order step^2.

    Args:
        calculate: Forces of a structure [eV/Angstrom].
        structure: One structure.
        step: Displacement of each coordinate to both sides [Angstrom].
    """
    size, columns = 3 * len(structure.numbers), []
    for coordinate in range(size):
        shift = torch.zeros_like(structure.positions)
        shift.view(-1)[coordinate] = step
        before, after = (calculate(structure.replace(positions=structure.positions + sign * shift)) for sign in (-1, 1))
        columns.append((before - after).ravel() / (2 * step))
    matrix = np.stack(columns, axis=1)
    return split_matrix((matrix + matrix.T) / 2, QUANTITIES["hessian"], (size // 3) ** 2)
