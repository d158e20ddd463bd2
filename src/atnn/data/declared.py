"""Units that the user declares, turned into factors to the package's units."""

from __future__ import annotations

from collections.abc import Mapping

from atnn.errors import DataError
from atnn.quantities import QUANTITIES
from atnn.structures import STATED
from atnn.units import ENERGY, LENGTH, Dimension, factor, unit_of, units_of

_EXAMPLE = '{"energy": "hartree", "length": "bohr"}'


def unit_factors(units: Mapping[str, str], where: str) -> dict[str, tuple[str, float]]:
    """Unit and factor to the package's unit for the length, what structures state and every quantity.

    Energy and length fix the rest, by the powers of each dimension; any of them may be declared by itself. Charges
    are in e and times in fs.

    Args:
        units: ``energy`` and ``length``, and whatever differs from what follows from them.
        where: For messages.

    Returns:
        Name -> (unit, factor).

    Raises:
        DataError: Energy or length is missing, or a name or unit is unknown.
    """
    known = {"energy": ENERGY, "length": LENGTH}
    known |= {entry.key: entry.dimension for entry in STATED.values()}
    known |= {name: entry.dimension for name, entry in QUANTITIES.items()}
    for name in units:
        if name not in known:
            raise DataError(f"no quantity {name!r} has a unit", where=where, remedy="known: " + ", ".join(known))
    lacking = [name for name in ("energy", "length") if name not in units]
    if lacking:
        raise DataError(
            f"units of {' and '.join(lacking)} are not declared",
            where=where,
            remedy=f"declare them: units={_EXAMPLE}; known energies: {', '.join(units_of(ENERGY))}; "
            f"lengths: {', '.join(units_of(LENGTH))}",
        )
    energy, length = units["energy"], units["length"]
    energy_factor, length_factor = (_factor(known[name], units[name], where) for name in ("energy", "length"))
    result = {}
    for name, dimension in known.items():
        if name in units:
            result[name] = (units[name], _factor(dimension, units[name], where))
        else:
            value = energy_factor**dimension.energy * length_factor**dimension.length
            result[name] = (unit_of(dimension, energy, length), value)
    return result


def _factor(dimension: Dimension, unit: str, where: str) -> float:
    try:
        return factor(dimension, unit)
    except KeyError as error:
        raise DataError(str(error.args[0]), where=where, remedy="write one of the known units") from None
