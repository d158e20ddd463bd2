"""Densities of free atoms as sums of Gaussians: the table of this package, and those that users give."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from ase.data import chemical_symbols
from jaxtyping import Float
from pydantic import BeforeValidator, Field

from atnn.errors import SpecificationError

DENSITIES = Path(__file__).with_name("gmp_densities.json")
MOST = 32  # Gaussians of an element


def read_density(given: Any) -> Any:
    """Read the density of an element from a text file with B and beta of one Gaussian per line.

    Args:
        given: Path of the file; anything else is returned.

    Raises:
        ValueError: The file cannot be read, or a line does not hold two numbers.
    """
    if not isinstance(given, str | Path):
        return given
    try:
        lines = Path(given).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        raise ValueError(f"the density {given} cannot be read: {error}") from None
    found = []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        try:
            amplitude, exponent = (float(word) for word in words)
        except ValueError:
            raise ValueError(f"{given}, line {number}: {line!r} is not the two numbers B and beta") from None
        found.append((amplitude, exponent))
    return found


class _OrPath:
    """Marks a density in a JSON schema, where it may be the path of a file, too."""

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, handler(schema)]}


# B [1/Angstrom^3] and beta [1/Angstrom^2] of each Gaussian ``B exp(-beta r^2)``.
Density = Annotated[
    tuple[tuple[float, Annotated[float, Field(gt=0)]], ...],
    Field(min_length=1, max_length=MOST),
    BeforeValidator(read_density),
    _OrPath(),
]


@functools.cache
def read_densities() -> dict[str, tuple[tuple[float, ...], tuple[float, ...]]]:
    """Read the valence densities by chemical symbol: electrons and exponent [1/Angstrom^2] of each Gaussian."""
    elements = json.loads(DENSITIES.read_text())["elements"]
    return {symbol: (tuple(e["populations"]), tuple(e["exponents"])) for symbol, e in elements.items()}


def gather_densities(
    numbers: Sequence[int], given: Mapping[str, Density] | None = None
) -> Float[np.ndarray, "elements 2 gaussians"]:
    """Gather electrons and exponent [1/Angstrom^2] of each Gaussian; elements with fewer have some without electrons.

    Args:
        numbers: Atomic numbers.
        given: Densities by chemical symbol, which replace the table.

    Raises:
        SpecificationError: An element has no density.
    """
    table = read_densities() if given is None else {symbol: _populate(density) for symbol, density in given.items()}
    symbols = [chemical_symbols[z] for z in numbers]
    unknown = [symbol for symbol in symbols if symbol not in table]
    if unknown:
        remedy = "use elements up to Rn (86)" if given is None else "add them to `densities`"
        raise SpecificationError(f"there is no density of {', '.join(unknown)}", where="gmp", remedy=remedy)
    most = max(len(table[symbol][0]) for symbol in symbols)
    found = np.zeros((len(symbols), 2, most))
    found[:, 1] = 1.0
    for place, symbol in zip(found, symbols, strict=True):
        place[:, : len(table[symbol][0])] = table[symbol]
    return found


def _populate(density: Density) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Convert amplitudes of Gaussians to their numbers of electrons."""
    electrons = tuple(amplitude * (np.pi / exponent) ** 1.5 for amplitude, exponent in density)
    return electrons, tuple(exponent for _, exponent in density)
