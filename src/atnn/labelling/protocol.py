"""What a labeller is: it takes one structure and gives reference values."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Collection, Mapping
from typing import Protocol, runtime_checkable

import numpy as np

from atnn.basis import Basis
from atnn.errors import LabellingError
from atnn.functions.species import LANTHANIDES
from atnn.quantities import QUANTITIES, Quantity
from atnn.stated import STATED
from atnn.structures import Structures

Labels = dict[str, np.ndarray]


@runtime_checkable
class Labeller(Protocol):
    """A method of electronic structure with everything fixed that its numbers depend on.

    Two labellers with equal ``settings`` give equal labels: the label store relies on it. A labeller travels to
    worker processes and therefore holds plain values only.
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


def find_version(program: str) -> str:
    """Find the installed version of the package of a program.

    Raises:
        LabellingError: The package is not installed.
    """
    try:
        return importlib.metadata.version(program)
    except importlib.metadata.PackageNotFoundError as error:
        raise LabellingError(
            f"the package {program} is not installed", remedy=f"pip install 'atnn[labelling]' (or {program})"
        ) from error


def electrons(structure: Structures, further: Collection[str] = ()) -> tuple[int, int | None]:
    """Total charge [e] and unpaired electrons of one structure, checked.

    Args:
        structure: The structure.
        further: What else may be stated, names of :data:`atnn.stated.STATED` that the method knows.

    Returns:
        Charge, zero where nobody stated it, and spin, None where nobody stated it.

    Raises:
        LabellingError: Several structures, something else stated that is not zero, such as an external field, a
            fractional charge, or a number of unpaired electrons that this number of electrons cannot have.
    """
    if len(structure) != 1:
        raise LabellingError(f"{len(structure)} structures given to a labeller", remedy="give them one by one")
    for name, value in structure.stated.items():
        if name not in ("charge", "spin", *further) and bool((value != 0).any()):
            entry = STATED[name]
            raise LabellingError(f"this labeller ignores {entry.words}", remedy=f"remove `{entry.key}`")
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


def check_basis(basis: Basis | None, program: str, name: str) -> None:
    """Check that a basis is that of a labeller, and declare the rows of its matrices. None is none.

    Raises:
        LabellingError: It is another one.
    """
    if basis is None:
        return
    if (basis.convention, basis.name) != (program, name):
        raise LabellingError(
            f"orbitals of {basis.name} in the order of {basis.convention} for matrices of {name} from {program}",
            remedy=f"give find_basis({name!r}, elements)",
        )
    basis.declare()


def label_row(name: str) -> Quantity:
    """The row of the table of quantities for a label of that name.

    Raises:
        LabellingError: The table has no such quantity.
    """
    if name not in QUANTITIES:
        raise LabellingError(
            f"a label {name!r}, which the table of quantities does not know",
            remedy=f'add a row: QUANTITIES["{name}"] = Quantity("{name}", ...)',
        )
    return QUANTITIES[name]


def label_shape(name: str, structure: Structures) -> tuple[int, ...]:
    """Shape of one structure's label of that name, as the table of quantities says.

    Raises:
        LabellingError: The table has no such quantity.
    """
    entry = label_row(name)
    return entry.shape if entry.axis == "structure" else (structure.totals[entry.axis], *entry.shape)


def check_labels(labels: Labels, structure: Structures) -> None:
    """Check that what a labeller gave has the names and shapes of the table of quantities.

    Raises:
        LabellingError: It has not: a defect of the labeller.
    """
    for name, value in labels.items():
        if np.shape(value) != (shape := label_shape(name, structure)):
            raise LabellingError(
                f"the labeller gave {name} of the shape {np.shape(value)}, not {shape}",
                remedy="correct the labeller",
            )
