"""Units that the user declares, turned into factors to the package's units."""

from __future__ import annotations

from collections.abc import Mapping

from atnn.errors import DataError
from atnn.quantities import QUANTITIES
from atnn.units import factor, units_of

FIELD = "electric_field"
_DIMENSIONS = {"energy": "energy", "length": "length", FIELD: "field"}
_EXAMPLE = '{"energy": "hartree", "length": "bohr"}'


def unit_factors(units: Mapping[str, str], where: str) -> dict[str, tuple[str, float]]:
    """Unit and factor to the package's unit for the length, the field and every quantity.

    Energy and length fix the rest: forces energy/length, stress energy/length^3, dipole e*length, field
    energy/(e*length); any of them may be declared by itself.

    Args:
        units: ``energy`` and ``length``, and whatever differs from what follows from them.
        where: For messages.

    Returns:
        Name -> (unit, factor).

    Raises:
        DataError: Energy or length is missing, or a name or unit is unknown.
    """
    known = {**_DIMENSIONS, **{name: entry.dimension for name, entry in QUANTITIES.items()}}
    for name in units:
        if name not in known:
            raise DataError(f"no quantity {name!r} has a unit", where=where, remedy="known: " + ", ".join(known))
    lacking = [name for name in ("energy", "length") if name not in units]
    if lacking:
        raise DataError(
            f"units of {' and '.join(lacking)} are not declared",
            where=where,
            remedy=f"declare them: units={_EXAMPLE}; known energies: {', '.join(units_of('energy'))}; "
            f"lengths: {', '.join(units_of('length'))}",
        )
    energy, length = units["energy"], units["length"]
    energy_factor, length_factor = (_factor(name, units[name], where) for name in ("energy", "length"))
    derived = {
        "energy": (energy, energy_factor),
        "length": (length, length_factor),
        "energy/length": (f"{energy}/{length}", energy_factor / length_factor),
        "pressure": (f"{energy}/{length}^3", energy_factor / length_factor**3),
        "dipole": (f"e*{length}", length_factor),
        "field": (f"{energy}/(e*{length})", energy_factor / length_factor),
        "charge": ("e", 1.0),
    }
    result = {}
    for name, dimension in known.items():
        if name in units:
            result[name] = (units[name], _factor(dimension, units[name], where))
        elif dimension in derived:
            result[name] = derived[dimension]
    return result


def _factor(dimension: str, unit: str, where: str) -> float:
    try:
        return factor(dimension, unit)
    except KeyError as error:
        raise DataError(str(error.args[0]), where=where, remedy="write one of the known units") from None
