"""How names and units of quantities are spelled for people, by the table of quantities."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
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


def format_value(value: object, digits: int = 4) -> str:
    """A value as people read it, numbers with this many significant digits and never a rounded minus zero.

    >>> format_value(0.0000123456), format_value(1234567), format_value(None), format_value(12.0)
    ('1.235e-05', '1,234,567', '–', '12.00')
    >>> format_value(-0.0), format_value(-0.00042, digits=3), format_value(2995.6, digits=3)
    ('0', '-0.000420', '2,996')
    """
    if value is None:
        return "–"
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        return str(value)
    number = float(value)
    if not math.isfinite(number):
        return "not a number" if math.isnan(number) else str(number)
    if number == 0 or (number == int(number) and (isinstance(value, int) or "int" in type(value).__name__)):
        return f"{int(number):,}"
    mantissa, exponent = f"{number:.{digits - 1}e}".split("e")
    if not -4 <= int(exponent) < 6:
        return f"{mantissa}e{exponent}"
    return f"{number:,.{max(0, digits - 1 - int(exponent))}f}"


def flatten(values: Mapping[str, object], above: str = "") -> Iterator[tuple[str, str]]:
    """Path of keys and text of each value inside nested mappings and lists, in their order.

    >>> list(flatten({"loss": {"energy": 1.0, "forces": None}, "units": [{"size": 32}], "sizes": [9, 21]}))
    [('loss · energy', '1.0'), ('loss · forces', '–'), ('units · 1 · size', '32'), ('sizes', '9, 21')]
    """
    for key, value in values.items():
        path = f"{above} · {words(str(key))}" if above else words(str(key))
        if isinstance(value, list | tuple) and any(isinstance(part, Mapping | list | tuple) for part in value):
            value = {str(k): part for k, part in enumerate(value, 1)}
        if isinstance(value, Mapping) and value:
            yield from flatten(value, path)
        elif isinstance(value, Mapping | list | tuple):
            yield path, ", ".join(map(_setting, value)) or "none"
        else:
            yield path, _setting(value)


def _setting(value: object) -> str:
    """A setting in full, since it may be copied into a configuration."""
    if value is None:
        return "–"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
