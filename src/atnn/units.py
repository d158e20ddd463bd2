"""Units, constants and all conversion factors; the package's units are eV, Angstrom, fs, amu and e.

Constants are CODATA 2018 (doi:10.1103/RevModPhys.93.025010). A factor named after a unit is that unit in the package's
unit: a length in bohr times ``bohr`` is a length in Angstrom.
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import astuple, dataclass

from atnn.errors import suggest

# Defining and measured constants in SI
ELEMENTARY_CHARGE_SI = 1.602176634e-19  # C
PLANCK_SI = 6.62607015e-34  # J s
BOLTZMANN_SI = 1.380649e-23  # J / K
AVOGADRO_SI = 6.02214076e23  # 1 / mol
LIGHT_SPEED_SI = 299792458.0  # m / s
ATOMIC_MASS_SI = 1.66053906660e-27  # kg
VACUUM_PERMITTIVITY_SI = 8.8541878128e-12  # F / m

# Energy, in eV
eV = 1.0
meV = 1e-3
hartree = 27.211386245988
rydberg = hartree / 2
kJ_per_mol = 1e3 / (ELEMENTARY_CHARGE_SI * AVOGADRO_SI)
kcal_per_mol = 4.184 * kJ_per_mol
kelvin = BOLTZMANN_SI / ELEMENTARY_CHARGE_SI  # k_B T of one kelvin, eV
boltzmann = kelvin  # eV / K

# Length, in Angstrom
angstrom = 1.0
bohr = 0.529177210903
nanometer = 10.0

# Time, in fs
fs = 1.0
ps = 1e3
atomic_time = 2.4188843265857e-2

# Mass, in amu
amu = 1.0
electron_mass = 5.48579909065e-4

# Velocity and kinetic energy: amu * (Angstrom / fs)^2 in eV, and its inverse (acceleration from force)
amu_angstrom2_per_fs2 = ATOMIC_MASS_SI * 1e10 / ELEMENTARY_CHARGE_SI
acceleration = 1.0 / amu_angstrom2_per_fs2  # (eV / Angstrom / amu) in Angstrom / fs^2

# Pressure and stress, in eV / Angstrom^3
GPa = 1e9 * 1e-30 / ELEMENTARY_CHARGE_SI
kbar = 0.1 * GPa

# Electricity: charge e, dipole e Angstrom, polarizability e^2 Angstrom^2 / eV, field V / Angstrom
e = 1.0
e_angstrom = 1.0
debye = 1e-21 / LIGHT_SPEED_SI / ELEMENTARY_CHARGE_SI * 1e10
e_bohr = bohr
coulomb = ELEMENTARY_CHARGE_SI * 1e10 / (4 * 3.141592653589793 * VACUUM_PERMITTIVITY_SI)  # e^2 / (4 pi eps0), eV A
angstrom3_polarizability = 1.0 / coulomb
field_atomic_unit = hartree / bohr

# Spectroscopy
hbar = PLANCK_SI / (2 * 3.141592653589793) / ELEMENTARY_CHARGE_SI * 1e15  # eV fs
inverse_cm = PLANCK_SI * LIGHT_SPEED_SI * 100 / ELEMENTARY_CHARGE_SI  # eV of one cm^-1
light_speed_cm_per_fs = LIGHT_SPEED_SI * 100 * 1e-15


@dataclass(frozen=True, slots=True)
class Dimension:
    """A unit is a product of powers of energy, length, charge and time.

    >>> ENERGY / LENGTH**3
    Dimension(energy=1, length=-3, charge=0, time=0)
    """

    energy: int = 0
    length: int = 0
    charge: int = 0
    time: int = 0

    def __mul__(self, other: Dimension) -> Dimension:
        """Dimension of a product."""
        return Dimension(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __pow__(self, power: int) -> Dimension:
        """Dimension of a power."""
        return Dimension(*(power * a for a in astuple(self)))

    def __truediv__(self, other: Dimension) -> Dimension:
        """Dimension of a quotient."""
        return self * other**-1


NUMBER, ENERGY, LENGTH, CHARGE, TIME = Dimension(), Dimension(1), Dimension(0, 1), Dimension(0, 0, 1), Dimension(time=1)
FIELD = ENERGY / (CHARGE * LENGTH)
MASS = ENERGY * TIME**2 / LENGTH**2
_COULOMB = CHARGE**2 / (ENERGY * LENGTH)  # of 4 pi eps0: a polarizability is 4 pi eps0 times a volume

# Named units; products, quotients and powers of them are units too.
_NAMED: dict[str, tuple[Dimension, float]] = {
    "eV": (ENERGY, eV),
    "meV": (ENERGY, meV),
    "hartree": (ENERGY, hartree),
    "Ha": (ENERGY, hartree),
    "rydberg": (ENERGY, rydberg),
    "Ry": (ENERGY, rydberg),
    "kcal/mol": (ENERGY, kcal_per_mol),
    "kJ/mol": (ENERGY, kJ_per_mol),
    "K": (ENERGY, kelvin),
    "cm^-1": (ENERGY, inverse_cm),
    "Angstrom": (LENGTH, angstrom),
    "A": (LENGTH, angstrom),
    "bohr": (LENGTH, bohr),
    "nm": (LENGTH, nanometer),
    "e": (CHARGE, e),
    "fs": (TIME, fs),
    "ps": (TIME, ps),
    "V": (ENERGY / CHARGE, 1.0),
    "debye": (CHARGE * LENGTH, debye),
    "Debye": (CHARGE * LENGTH, debye),
    "D": (CHARGE * LENGTH, debye),
    "GPa": (ENERGY / LENGTH**3, GPa),
    "kbar": (ENERGY / LENGTH**3, kbar),
}
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_ATOMIC = (hartree, bohr, e, atomic_time)
# The longest names come first, so that "kcal/mol" is not read as a quotient.
_WORD = re.compile("|".join(map(re.escape, sorted(_NAMED, key=len, reverse=True))) + r"|\^-?\d+|^1(?=/)|[*/()]")


def unit_of(dimension: Dimension, energy: str = "eV", length: str = "Angstrom", time: str = "fs") -> str:
    """Name the unit of a dimension in terms of the given units, by default those of the package.

    >>> unit_of(ENERGY / LENGTH**3), unit_of(FIELD), unit_of(FIELD, "hartree", "bohr")
    ('eV/Angstrom^3', 'V/Angstrom', 'hartree/(e*bohr)')
    """
    powers = dict(zip(("e", energy, length, time), (dimension.charge, dimension.energy, dimension.length,
                  dimension.time), strict=True))  # fmt: skip
    if energy == "eV" and (powers["e"], powers["eV"]) == (-1, 1):
        powers = {"V": 1, length: powers[length], time: powers[time]}
    above, below = (
        [f"{name}^{abs(p)}" if abs(p) > 1 else name for name, p in powers.items() if sign * p > 0] for sign in (1, -1)
    )
    denominator = "" if not below else f"/{below[0]}" if len(below) == 1 else f"/({'*'.join(below)})"
    return ("*".join(above) or "1") + denominator


def typeset(unit: str) -> str:
    """Typeset a unit for people.

    >>> typeset("e*Angstrom^2/eV"), typeset("meV/Angstrom"), typeset("cm^-1")
    ('e·Å²/eV', 'meV/Å', 'cm⁻¹')
    """
    text = re.sub(r"\^(-?\d+)", lambda power: power[1].translate(_SUPERSCRIPTS), unit)
    return text.replace("Angstrom", "Å").replace("*", "·")


def units_of(dimension: Dimension) -> tuple[str, ...]:
    """List units of a dimension that :func:`factor` knows: those with a name, and products as examples."""
    named = [name for name, (found, _) in _NAMED.items() if found == dimension]
    products = [unit_of(dimension), unit_of(dimension, "hartree", "bohr")]
    if dimension.charge == 2:
        products += [unit_of(dimension / _COULOMB), unit_of(dimension / _COULOMB, "hartree", "bohr")]
    return tuple(dict.fromkeys([*named, *products, "au"]))


def factor(dimension: Dimension, unit: str) -> float:
    """Convert one ``unit`` to the package's unit of that dimension.

    Args:
        dimension: Powers of energy, length, charge and time.
        unit: A name such as ``debye``, a product such as ``e*bohr`` or ``hartree/bohr^3``, or ``au`` for atomic units.
            A polarizability may be a volume, ``Angstrom^3`` or ``bohr^3``.

    Raises:
        KeyError: The unit is unknown or of another dimension; the message lists known units.

    >>> round(factor(ENERGY / LENGTH, "hartree/bohr"), 4)
    51.4221
    """
    if unit == "au":
        return math.prod(base**power for base, power in zip(_ATOMIC, astuple(dimension), strict=True))
    found, value = _parse_product(unit)
    if dimension.charge == 2 and found == dimension / _COULOMB:
        found, value = dimension, value / coulomb
    if found != dimension or value == 0.0:
        known = units_of(dimension)
        hint = f"{suggest(unit, known)}known: {', '.join(known)}, and products"
        raise KeyError(f"unknown unit {unit!r} for {unit_of(dimension)}; {hint}")
    return value


def _parse_product(unit: str) -> tuple[Dimension, float]:
    """Find dimension and value of a product of named units; the value is zero where the text is no such product."""
    words = _WORD.findall(unit)
    if "".join(words) != unit or not words:
        return NUMBER, 0.0
    dimension, value, sign, inside = NUMBER, 1.0, 1, False
    for word, following in itertools.zip_longest(words, words[1:], fillvalue=""):
        if word in _NAMED:
            power = sign * (int(following[1:]) if following.startswith("^") else 1)
            dimension, value = dimension * _NAMED[word][0] ** power, value * _NAMED[word][1] ** power
        elif word in "()":
            inside = word == "("
        elif word in "*/" and not inside:
            sign = -1 if word == "/" else 1
    return dimension, value
