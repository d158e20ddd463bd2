"""Factors that books print, from the constants of the SI: ``python tests/references/conversions.py``."""

import scipy
from scipy import constants as si
from writing import write_reference

debye = 1e-21 / si.c  # C m
per_mass = (debye / 1e-10) ** 2 / si.atomic_mass  # (C m / m)^2 / kg
intensity = si.N_A * per_mass / (12 * si.epsilon_0 * si.c**2)  # m / mol
write_reference(
    "conversions",
    {
        "debye": debye / si.e * 1e10,
        "debye2_per_angstrom2_amu": intensity * 1e-3,
        "molar_volume": si.N_A * 1e-24,
    },
    unit="e Angstrom; km/mol; cm^3/mol of one Angstrom^3",
    source="CODATA 2022 by scipy.constants; intensity N_A / (12 epsilon_0 c^2) (d mu / d Q)^2",
    version=f"scipy {scipy.__version__}",
    script="conversions.py",
)
