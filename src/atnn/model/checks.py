"""These checks make sure that nothing a model ignores passes in silence."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping

from ase.data import chemical_symbols
from ase.symbols import Symbols
from jaxtyping import Bool
from torch import Tensor

from atnn.data.electrons import count_protons, find_impossible_electrons
from atnn.errors import AtnnWarning, DataError
from atnn.quantities import QUANTITIES
from atnn.stated import STATED
from atnn.structures import Structures

Dependences = Mapping[str, Collection[str]]


def refuse_elements(structures: Structures, known: Collection[int], where: str = "") -> None:
    """Refuse structures with elements that a model does not know.

    Args:
        structures: The structures.
        known: Atomic numbers that the model knows.
        where: File or caller, for the message.

    Raises:
        DataError: The model does not know an element.
    """
    unknown = [z for z in structures.numbers.unique().tolist() if z not in known]
    if unknown:
        raise DataError(
            f"the model does not know the elements {', '.join(chemical_symbols[z] for z in unknown)}",
            where=where or f"model for {', '.join(chemical_symbols[z] for z in sorted(known))}",
            remedy="train with data that contain them, or remove these structures",
        )


def refuse_bare(structures: Structures, outputs: Collection[str]) -> None:
    """Refuse outputs of adsorbates, such as friction, where no atom is of an adsorbate.

    Raises:
        DataError: No atom is marked.
    """
    wanted = [name for name in outputs if QUANTITIES[name].axis in ("adsorbate", "adsorbate_pair")]
    if wanted and not bool(structures.adsorbate_atoms.any()):
        raise DataError(
            f"{', '.join(wanted)} of structures in which no atom is marked as adsorbate",
            remedy='mark its atoms: atoms.arrays["adsorbate"], or the column adsorbate:L:1 of an extended XYZ file',
        )


def refuse_charged_cells(
    structures: Structures, outputs: Collection[str], given: Collection[str], where: str = ""
) -> None:
    """Refuse charged cells where outputs derive from a dipole, in which a cell has no charge times position.

    Args:
        structures: The structures.
        outputs: Names of the quantities that are asked for.
        given: Those that the model gives without differentiation.
        where: File or caller, for the message.

    Raises:
        DataError: A periodic structure is charged. Its Born charges would sum to zero and not to its charge.
    """
    derivatives = {name: QUANTITIES[name].derivative for name in outputs if name not in given}
    wrong = [name for name, d in derivatives.items() if d and (d.of, d.by) == ("dipole", "positions")]
    if wrong and bool(((structures.total_charge != 0) & structures.pbc.any(1)).any()):
        raise DataError(
            f"{', '.join(wrong)} of a charged cell as slopes of its dipole, which sum to zero and not to the charge",
            where=where,
            remedy=f"train a model with `outputs: [{', '.join(wrong)}]`, whose sum is the charge",
        )


def refuse_ignored(structures: Structures, depends: Dependences, where: str = "", all: bool = False) -> None:
    """Refuse structures that state something on which no quantity of a model depends.

    Args:
        structures: The structures.
        depends: Quantity of the model -> names of :data:`STATED` that it depends on.
        where: File or caller, for the message.
        all: Also refuse properties that a training may ignore.

    Raises:
        DataError: The structures state a property that the model ignores, such as an electric field.
    """
    for name, count in _count_stated(structures):
        entry = STATED[name]
        if (all or not entry.ignorable) and not any(name in names for names in depends.values()):
            raise DataError(
                f"{count} structures carry {entry.words}, which the model ignores",
                where=where,
                remedy=f"train a model with `conditions: [{name}]`, or remove `{entry.key}` from the structures",
            )


def warn_of_ignored(structures: Structures, depends: Dependences, where: str = "") -> None:
    """Warn of what structures state and the model, or its energy, does not depend on.

    Warns:
        AtnnWarning: The number of structures with, for instance, charges or spins that the model ignores.
    """
    for name, count in _count_stated(structures):
        entry = STATED[name]
        seen = [quantity for quantity, names in depends.items() if name in names]
        if not seen:
            text = f"{entry.words}; the model ignores it"
        elif "energy" in depends and "energy" not in seen:
            entered = " and ".join(quantity.replace("_", " ") for quantity in seen)
            text = f"{entry.words}, which enters the {entered} but not the energy"
        else:
            continue
        prefix = f"{where}: " if where else ""
        message = f"{prefix}{count} structures carry {text} (model.conditions: [{name}] lets it in)"
        warnings.warn(message, AtnnWarning, stacklevel=4)


def _count_stated(structures: Structures) -> list[tuple[str, int]]:
    """Count the structures in which a stated number is not zero."""
    counts = {name: int((v.reshape(len(v), -1) != 0).any(1).sum()) for name, v in structures.stated.items()}
    return [(name, count) for name, count in counts.items() if count]


def refuse_charged_in_field(structures: Structures, charge_enters: bool, where: str = "") -> None:
    """Refuse charged structures of which an energy that depends on the field would be silently wrong.

    Args:
        structures: The structures.
        charge_enters: Whether the model has the energy of a charge in the field, ``-Q F . R``.
        where: File or caller, for the message.

    Raises:
        DataError: Structures are charged and the model has no such energy, or they are in a field and periodic, so
            that this energy has no meaning.
    """
    if structures.charge is None:
        return
    charged = structures.charge != 0
    if not charge_enters and bool(charged.any()):
        raise DataError(
            f"{int(charged.sum())} structures carry a total charge Q, whose energy -Q F . R in an electric field F "
            "the model lacks",
            where=where,
            remedy="train a model with `conditions: [charge, field]`, or remove these structures",
        )
    wrong = charged & (structures.applied_field != 0).any(1) & structures.pbc.any(1)
    if bool(wrong.any()):
        raise DataError(
            f"{int(wrong.sum())} periodic structures are charged and in an electric field; their energy is not defined",
            where=where,
            remedy="remove `electric_field` or `charge`, or describe the ion without a cell",
        )


def check_charges(structures: Structures, where: str = "") -> None:
    """Check that the charge of no structure exceeds that of its nuclei.

    Raises:
        DataError: The nuclei cannot carry the charge. The message names the first such structure.
    """
    protons, charge = count_protons(structures), structures.total_charge.double()
    _refuse_first(
        structures,
        charge > protons,
        lambda index: f"a charge of {float(charge[index]):g} e exceeds that of the nuclei, {int(protons[index])} e",
        where,
    )


def check_electrons(structures: Structures, where: str = "") -> None:
    """Check that the unpaired electrons of every structure are possible for its charge.

    See :func:`atnn.data.electrons.find_impossible_electrons`.

    Raises:
        DataError: The number of unpaired electrons is negative, exceeds that of the electrons, or is odd where the
            number of electrons is even, and the reverse. The message names the first such structure.
    """
    if structures.spin is None:
        return
    electrons, spin = count_protons(structures) - structures.total_charge.double(), structures.spin
    wrong = find_impossible_electrons(structures)
    _refuse_first(
        structures,
        wrong,
        lambda index: f"{float(electrons[index]):g} electrons cannot have {int(spin[index])} unpaired ones",
        where,
    )


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
