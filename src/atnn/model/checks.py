"""What a model cannot see must not pass in silence."""

from __future__ import annotations

import warnings

from atnn.errors import AtnnWarning, DataError
from atnn.model.model import Model
from atnn.structures import Structures


def check_structures(model: Model, structures: Structures, where: str = "") -> None:
    """Check once, at the border, that the model can describe these structures.

    Args:
        model: The model.
        structures: What it is asked about.
        where: File or caller, for the message.

    Raises:
        DataError: Elements that the model does not know, or an electric field that it would ignore.

    Warns:
        AtnnWarning: Charges or spins that the model ignores, with their number.
    """
    known = set(model.elements)
    unknown = sorted(set(structures.numbers.unique().tolist()) - known)
    if unknown:
        model._refuse(structures.numbers.new_tensor(unknown))
    if structures.field is not None and bool((structures.field != 0).any()):
        raise DataError(
            f"{int((structures.field != 0).any(1).sum())} structures carry an electric field that the model ignores",
            where=where,
            remedy="remove the field from the structures",
        )
    uses_charge = "dipole" in model.readouts
    if structures.charge is not None and not uses_charge:
        _warn(int((structures.charge != 0).sum()), "a total charge", where)
    if structures.charge is not None and uses_charge and "energy" in model.readouts:
        _warn(int((structures.charge != 0).sum()), "a total charge, which enters the dipole but not the energy", where)
    if structures.spin is not None:
        _warn(int((structures.spin != 0).sum()), "unpaired electrons", where)


def _warn(count: int, what: str, where: str) -> None:
    if count:
        prefix = f"{where}: " if where else ""
        warnings.warn(f"{prefix}{count} structures carry {what}; the model ignores it", AtnnWarning, stacklevel=3)
