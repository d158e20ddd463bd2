"""What a model cannot see must not pass in silence."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from ase.symbols import Symbols
from jaxtyping import Bool, Float
from torch import Tensor

from atnn.errors import AtnnWarning, DataError
from atnn.functions.species import LANTHANIDES
from atnn.model.model import Model
from atnn.structures import Structures


def check_structures(model: Model, structures: Structures, where: str = "", refuse: bool = False) -> None:
    """Check once, at the border, that the model can describe these structures.

    Args:
        model: The model.
        structures: What it is asked about.
        where: File or caller, for the message.
        refuse: Charges and spins that the model ignores are errors, as they must be in predictions; training and
            comparison with labels count them in a warning.

    Raises:
        DataError: Elements that the model does not know, or an electric field that it would ignore; with ``refuse``
            charges and spins, too; a charge that no partition can carry, if the model depends on it or gives charges;
            numbers of electrons that contradict each other, if the model depends on them.

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
    if model.conditions or "charges" in model.outputs:
        check_charges(structures, where)
    if model.conditions:
        check_electrons(structures, where)
    if structures.charge is not None and "charge" not in model.conditions:
        _check_charge(model, int((structures.charge != 0).sum()), where, refuse)
    if structures.spin is not None and "spin" not in model.conditions:
        _ignored("spin", int((structures.spin != 0).sum()), "unpaired electrons", where, refuse)


def check_charges(structures: Structures, where: str = "") -> None:
    """Check that no structure is more positive than its nuclei.

    Raises:
        DataError: A charge that no partition among the atoms can carry; with the first such structure.
    """
    protons, charge = _protons(structures), structures.total_charge.double()
    _refuse_first(
        structures,
        charge > protons,
        lambda index: f"a charge of {float(charge[index]):g} e exceeds that of the nuclei, {int(protons[index])} e",
        where,
    )


def check_electrons(structures: Structures, where: str = "") -> None:
    """Check that every structure can have its unpaired electrons, beside its charge.

    Parity is not asked for where no spin is stated, nor of lanthanides, some of whose f electrons methods with an
    effective core leave out of both numbers.

    Raises:
        DataError: A negative number of unpaired electrons, more of them than electrons, or an odd one for an even
            number of electrons and the reverse; with the first such structure.
    """
    if structures.spin is None:
        return
    electrons, spin = _protons(structures) - structures.total_charge.double(), structures.spin.double()
    wrong = (spin < 0) | (spin > electrons)
    wrong = wrong | (((electrons - spin) % 2 - 1).abs() < 1 - 1e-4) & ~_has_lanthanides(structures)
    _refuse_first(
        structures,
        wrong,
        lambda index: f"{float(electrons[index]):g} electrons cannot have {int(spin[index])} unpaired ones",
        where,
    )


def _protons(structures: Structures) -> Float[Tensor, " structures"]:
    zeros = torch.zeros(len(structures), dtype=torch.float64, device=structures.numbers.device)
    return zeros.index_add(0, structures.batch, structures.numbers.double())


def _refuse_first(
    structures: Structures, wrong: Bool[Tensor, " structures"], problem: Callable[[int], str], where: str
) -> None:
    if not bool(wrong.any()):
        return
    index = int(wrong.nonzero()[0])
    formula = Symbols(structures.numbers[structures.batch == index].cpu().numpy()).get_chemical_formula()
    place = f"structure {index} ({formula}), the first of {int(wrong.sum())}"
    raise DataError(
        problem(index),
        where=f"{where}: {place}" if where else place,
        remedy="correct `charge` or `spin`, the number of unpaired electrons",
    )


def _has_lanthanides(structures: Structures) -> Bool[Tensor, " structures"]:
    present = (structures.numbers >= LANTHANIDES.start) & (structures.numbers < LANTHANIDES.stop)
    count = torch.zeros(len(structures), dtype=torch.int64, device=present.device)
    return count.index_add(0, structures.batch, present.long()) > 0


def _check_charge(model: Model, count: int, where: str, refuse: bool) -> None:
    given = {name for readout in model.readouts.values() for name in readout.outputs}  # type: ignore[union-attr]
    used = {name for term in model.specification.terms for name in term.inputs}
    if "charges" not in given:
        _ignored("charge", count, "a total charge", where, refuse)
    elif "energy" in given and "charges" not in used and not model.specification.charges_in_energy:
        _warn("charge", count, "a total charge, which enters the partial charges but not the energy", where)


def _ignored(name: str, count: int, what: str, where: str, refuse: bool) -> None:
    if refuse and count:
        raise DataError(
            f"{count} structures carry {what}, which the model ignores",
            where=where,
            remedy=f"train a model with `conditions: [{name}]`, or remove `{name}`",
        )
    _warn(name, count, what, where)


def _warn(name: str, count: int, what: str, where: str) -> None:
    if count:
        prefix = f"{where}: " if where else ""
        text = f"{prefix}{count} structures carry {what}; the model ignores it (model.conditions: [{name}] lets it in)"
        warnings.warn(text, AtnnWarning, stacklevel=4)
