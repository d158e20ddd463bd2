"""The table of physical quantities: one entry each, read by losses, readers, reports, docs and checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Quantity:
    """What the package knows about one physical quantity.

    Attributes:
        name: Key in label and output dictionaries, and in configuration files.
        per: ``structure`` or ``atom``.
        shape: Shape of one value, without the structure or atom axis.
        unit: Unit inside the package.
        dimension: Entry of :func:`atnn.units.units_of` that converts foreign units.
        extensive: Whether the value of two distant fragments is the sum of theirs.
        rank: Tensor rank under rotation.
        parity: Sign under inversion, +1 or -1.
        derivative_of: Quantity that this one is the derivative of, or None.
        with_respect_to: Variable of that derivative: ``positions``, ``strain`` or ``field``.
        sign: Sign of that derivative.
        keys: Names under which files carry it, besides its own.
        display_unit: Unit shown to people, with ``display_factor`` to get there.
    """

    name: str
    per: Literal["structure", "atom"]
    shape: tuple[int, ...]
    unit: str
    dimension: str
    extensive: bool
    rank: int
    parity: int
    derivative_of: str | None = None
    with_respect_to: str | None = None
    sign: int = 1
    keys: tuple[str, ...] = ()
    display_unit: str = ""
    display_factor: float = 1.0


_TABLE = (
    Quantity(
        "energy",
        per="structure",
        shape=(),
        unit="eV",
        dimension="energy",
        extensive=True,
        rank=0,
        parity=1,
        keys=("Energy", "REF_energy", "total_energy", "dft_energy", "E"),
        display_unit="meV",
        display_factor=1e3,
    ),
    Quantity(
        "forces",
        per="atom",
        shape=(3,),
        unit="eV/Angstrom",
        dimension="energy/length",
        extensive=False,
        rank=1,
        parity=-1,
        derivative_of="energy",
        with_respect_to="positions",
        sign=-1,
        keys=("force", "Forces", "REF_forces", "dft_forces", "F"),
        display_unit="meV/Angstrom",
        display_factor=1e3,
    ),
    Quantity(
        "stress",
        per="structure",
        shape=(3, 3),
        unit="eV/Angstrom^3",
        dimension="pressure",
        extensive=False,
        rank=2,
        parity=1,
        derivative_of="energy",
        with_respect_to="strain",
        keys=("REF_stress", "dft_stress"),
        display_unit="meV/Angstrom^3",
        display_factor=1e3,
    ),
    Quantity(
        "virial",
        per="structure",
        shape=(3, 3),
        unit="eV",
        dimension="energy",
        extensive=True,
        rank=2,
        parity=1,
        derivative_of="energy",
        with_respect_to="strain",
        sign=-1,
        keys=("virials", "REF_virial", "dft_virial"),
        display_unit="meV",
        display_factor=1e3,
    ),
    Quantity(
        "dipole",
        per="structure",
        shape=(3,),
        unit="e*Angstrom",
        dimension="dipole",
        extensive=True,
        rank=1,
        parity=-1,
        derivative_of="energy",
        with_respect_to="field",
        sign=-1,
        keys=("mu", "Dipole", "dipole_moment", "REF_dipole", "dft_dipole"),
        display_unit="me*Angstrom",
        display_factor=1e3,
    ),
    Quantity(
        "charges",
        per="atom",
        shape=(),
        unit="e",
        dimension="charge",
        extensive=False,
        rank=0,
        parity=1,
        keys=("partial_charges", "atomic_charges", "REF_charges", "mulliken_charges", "hirshfeld_charges"),
        display_unit="me",
        display_factor=1e3,
    ),
    Quantity(
        "atomic_dipoles",
        per="atom",
        shape=(3,),
        unit="e*Angstrom",
        dimension="dipole",
        extensive=False,
        rank=1,
        parity=-1,
        keys=("REF_atomic_dipoles", "dft_atomic_dipoles"),
        display_unit="me*Angstrom",
        display_factor=1e3,
    ),
)

QUANTITIES: dict[str, Quantity] = {quantity.name: quantity for quantity in _TABLE}


def quantity(name: str) -> Quantity:
    """The table's entry of that name; a ``KeyError`` lists the known names."""
    if name not in QUANTITIES:
        raise KeyError(f"unknown quantity {name!r}; known: {', '.join(QUANTITIES)}")
    return QUANTITIES[name]
