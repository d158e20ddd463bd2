"""How names and units of quantities are spelled for people, by the table of quantities."""

from __future__ import annotations

from typing import NamedTuple

from atnn.quantities import QUANTITIES
from atnn.units import typeset

PER_ATOM = "_per_atom"


class Spelling(NamedTuple):
    """A quantity as people read it.

    Attributes:
        words: Its name.
        unit: Unit of its values.
        factor: Number of that unit in one of the package's.
        error_unit: Unit of its errors, a thousandth of the package's where the table names none for people.
        error_factor: Number of that unit in one of the package's.
    """

    words: str
    unit: str
    factor: float
    error_unit: str
    error_factor: float


def is_quantity(name: str) -> bool:
    """Whether the name, or what stands before ``_per_atom`` in it, has a row in the table."""
    return name.removesuffix(PER_ATOM) in QUANTITIES


def spell(name: str) -> Spelling:
    """Spelling of a quantity of the table; its values are divided by atoms where the name ends with ``_per_atom``.

    >>> spell("forces").unit, spell("forces").error_unit, spell("energy_per_atom").words
    ('eV/Å', 'meV/Å', 'energy per atom')
    """
    entry = QUANTITIES[name.removesuffix(PER_ATOM)]
    unit, factor = entry.display or (entry.unit, 1.0)
    per = "/atom" if name.endswith(PER_ATOM) else ""
    return Spelling(words(name), typeset(unit) + per, factor, typeset(entry.display_unit) + per, entry.display_factor)


def words(name: str) -> str:
    """A name of the code as people read it."""
    return name.replace("_", " ")
