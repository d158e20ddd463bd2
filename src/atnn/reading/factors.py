"""Factors from the units of a file to the package's units."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from atnn.errors import DataError, suggest
from atnn.quantities import QUANTITIES, Quantity
from atnn.reading.raw import STATED_BY_KEY
from atnn.units import ENERGY, LENGTH, MASS, TIME, Dimension, amu_angstrom2_per_fs2, factor, unit_of, units_of

_BASE = {"energy": ENERGY, "length": LENGTH, "time": TIME}
_ATOMIC = {"energy": "hartree", "length": "bohr"}
_EXAMPLE = '{"energy": "hartree", "length": "bohr"}'


class Factor(NamedTuple):
    """Unit of a file and its number of the package's unit.

    Attributes:
        unit: The unit in the file.
        size: The package's units in one of it, for one amu where the file holds mass-weighted values.
        weighted: Whether the values are divided by the square roots of the masses of two atoms.
    """

    unit: str
    size: float
    weighted: bool = False


def find_factors(units: Mapping[str, str], where: str) -> dict[str, Factor]:
    """Unit and factor to the package's unit for lengths, stated numbers and every quantity of the table.

    The units of energy and length fix the others by the powers in each dimension. Any of these may be declared by
    itself. Charges are in e, and times are in fs unless ``time`` is declared.

    Args:
        units: Units of ``energy`` and ``length``, and of whatever does not follow from them.
        where: The file, for messages.

    Returns:
        Name -> unit and factor.

    Raises:
        DataError: Energy or length is missing, or a name or unit is unknown.
    """
    known = _BASE | {key: entry.dimension for key, entry in STATED_BY_KEY.items()}
    known |= {name: entry.dimension for name, entry in QUANTITIES.items()}
    for name in units:
        if name not in known:
            remedy = f"{suggest(name, known)}known: {', '.join(known)}"
            raise DataError(f"no quantity {name!r} has a unit", where=where, remedy=remedy)
    lacking = [name for name in ("energy", "length") if name not in units]
    if lacking:
        raise DataError(
            f"units of {' and '.join(lacking)} are not declared",
            where=where,
            remedy=f"declare them: units={_EXAMPLE}; known energies: {', '.join(units_of(ENERGY))}; "
            f"lengths: {', '.join(units_of(LENGTH))}",
        )
    base = {name: units.get(name, "fs") for name in _BASE}
    sizes = {name: _find_factor(_BASE[name], unit, where) for name, unit in base.items()}
    words = {name: _ATOMIC.get(name, unit) if unit == "au" else unit for name, unit in base.items()}
    result = {}
    for name, dimension in known.items():
        named = QUANTITIES[name].named_unit if name in QUANTITIES else ""
        if named:
            if units.get(name, named) != named:
                problem = f"unknown unit {units[name]!r} for {name}; known: {named}"
                raise DataError(problem, where=where, remedy="write the known unit")
            result[name] = Factor(named, 1.0)
        elif name in units and name in QUANTITIES and QUANTITIES[name].weighted:
            result[name] = _find_weighted(QUANTITIES[name], units[name], where)
        elif name in units:
            result[name] = Factor(units[name], _find_factor(dimension, units[name], where))
        else:
            value = sizes["energy"] ** dimension.energy * sizes["length"] ** dimension.length
            result[name] = Factor(unit_of(dimension, **words), value * sizes["time"] ** dimension.time)
    return result


def _find_weighted(entry: Quantity, unit: str, where: str) -> Factor:
    """The factor of a quantity that files hold with or without the masses, as the dimension of the unit tells."""
    rate = entry.dimension / MASS
    with suppress(KeyError):
        if unit != "au":  # which is a unit of every dimension
            return Factor(unit, factor(rate, unit) * amu_angstrom2_per_fs2, weighted=True)
    try:
        return Factor(unit, factor(entry.dimension, unit))
    except KeyError as error:
        remedy = f"write one of the known units, or {unit_of(rate, time='ps')} for mass-weighted values"
        raise DataError(str(error.args[0]), where=where, remedy=remedy) from None


def _find_factor(dimension: Dimension, unit: str, where: str) -> float:
    try:
        return factor(dimension, unit)
    except KeyError as error:
        raise DataError(str(error.args[0]), where=where, remedy="write one of the known units") from None
