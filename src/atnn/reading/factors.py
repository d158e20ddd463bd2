"""Factors from the units of a file to the package's units."""

from __future__ import annotations

from collections.abc import Mapping

from atnn.errors import DataError, suggest
from atnn.quantities import QUANTITIES
from atnn.reading.raw import STATED_BY_KEY
from atnn.units import ENERGY, LENGTH, TIME, Dimension, factor, unit_of, units_of

_BASE = {"energy": ENERGY, "length": LENGTH, "time": TIME}
_ATOMIC = {"energy": "hartree", "length": "bohr"}
_EXAMPLE = '{"energy": "hartree", "length": "bohr"}'


def find_factors(units: Mapping[str, str], where: str) -> dict[str, tuple[str, float]]:
    """Unit and factor to the package's unit for lengths, stated numbers and every quantity of the table.

    The units of energy and length fix the others by the powers in each dimension. Any of these may be declared by
    itself. Charges are in e, and times are in fs unless ``time`` is declared.

    Args:
        units: Units of ``energy`` and ``length``, and of whatever does not follow from them.
        where: The file, for messages.

    Returns:
        Name -> (unit, factor).

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
            result[name] = (named, 1.0)
        elif name in units:
            result[name] = (units[name], _find_factor(dimension, units[name], where))
        else:
            value = sizes["energy"] ** dimension.energy * sizes["length"] ** dimension.length
            result[name] = (unit_of(dimension, **words), value * sizes["time"] ** dimension.time)
    return result


def _find_factor(dimension: Dimension, unit: str, where: str) -> float:
    try:
        return factor(dimension, unit)
    except KeyError as error:
        raise DataError(str(error.args[0]), where=where, remedy="write one of the known units") from None
