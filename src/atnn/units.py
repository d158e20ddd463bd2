"""Units and constants: eV, Angstrom, fs, amu and e inside; every conversion factor lives here.

Constants are CODATA 2018 (doi:10.1103/RevModPhys.93.025010). A factor named after a unit is that
unit expressed in ours: a length in bohr times ``bohr`` is a length in Angstrom.
"""

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

_DIMENSIONS: dict[str, dict[str, float]] = {
    "energy": {
        "eV": eV,
        "meV": meV,
        "hartree": hartree,
        "Ha": hartree,
        "rydberg": rydberg,
        "Ry": rydberg,
        "kcal/mol": kcal_per_mol,
        "kJ/mol": kJ_per_mol,
        "K": kelvin,
        "cm^-1": inverse_cm,
    },
    "length": {"Angstrom": 1.0, "A": 1.0, "bohr": bohr, "nm": nanometer},
    "charge": {"e": 1.0},
    "dipole": {"e*Angstrom": 1.0, "debye": debye, "Debye": debye, "D": debye, "e*bohr": bohr, "au": bohr},
    "pressure": {
        "eV/Angstrom^3": 1.0,
        "GPa": GPa,
        "kbar": kbar,
        "hartree/bohr^3": hartree / bohr**3,
    },
    "field": {"V/Angstrom": 1.0, "au": field_atomic_unit},
}


def units_of(dimension: str) -> tuple[str, ...]:
    """Names accepted by :func:`factor` for one dimension (``energy/length`` is built from its parts)."""
    if dimension == "energy/length":
        return tuple(f"{a}/{b}" for a in _DIMENSIONS["energy"] for b in _DIMENSIONS["length"])
    return tuple(_DIMENSIONS[dimension])


def factor(dimension: str, unit: str) -> float:
    """Value of one ``unit`` in the package's unit of that dimension.

    Args:
        dimension: ``energy``, ``length``, ``energy/length``, ``charge``, ``dipole``, ``pressure``, ``field``.
        unit: A name listed by :func:`units_of`.

    Raises:
        KeyError: Unknown unit; the message lists the known ones.

    >>> round(factor("energy/length", "hartree/bohr"), 4)
    51.4221
    """
    if dimension == "energy/length" and "/" in unit:
        top, _, bottom = unit.rpartition("/")
        if top in _DIMENSIONS["energy"] and bottom in _DIMENSIONS["length"]:
            return _DIMENSIONS["energy"][top] / _DIMENSIONS["length"][bottom]
    elif unit in _DIMENSIONS.get(dimension, {}):
        return _DIMENSIONS[dimension][unit]
    raise KeyError(f"unknown unit {unit!r} for {dimension}; known: {', '.join(units_of(dimension))}")
