"""Free energies from normal modes: ideal gases with rigid rotors, and bodies that only vibrate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from ase import Atoms
from ase.thermochemistry import HarmonicThermo, IdealGasThermo
from jaxtyping import Float

from atnn.errors import SpecificationError
from atnn.observables.harmonic import NormalModes
from atnn.observables.symmetry import symmetry_number
from atnn.units import (
    BOLTZMANN_SI,
    LIGHT_SPEED_SI,
    PLANCK_SI,
    boltzmann,
    inverse_cm,
)

Treatment = Literal["harmonic", "grimme", "truhlar"]
CUTOFF = 100.0  # cm^-1, of both treatments of low frequencies
MEAN_INERTIA = 1e-44  # kg m^2, Grimme's B_av
_PASCAL = 1e5  # of one bar


@dataclass(frozen=True)
class Thermochemistry:
    """Thermodynamic functions of one molecule, adsorbate or cell; energies count from the zero of the potential.

    Attributes:
        temperature: Temperature [K].
        pressure: Pressure of the ideal gas [bar], or None of a body that only vibrates.
        symmetry_number: Rotations that only exchange equal atoms, or None.
        zero_point_energy: Half the sum of the vibrational quanta [eV].
        enthalpy: Enthalpy of the gas, or internal energy of the body [eV].
        entropy: Entropy [eV/K].
        free_energy: Gibbs energy of the gas, or Helmholtz energy of the body [eV].
        imaginary: Number of imaginary frequencies, which are left out.
    """

    temperature: float
    pressure: float | None
    symmetry_number: int | None
    zero_point_energy: float
    enthalpy: float
    entropy: float
    free_energy: float
    imaginary: int


def thermochemistry(
    modes: NormalModes,
    temperature: float = 298.15,
    pressure: float = 1.0,
    *,
    low: Treatment = "harmonic",
    symmetry: int | None = None,
) -> Thermochemistry:
    """Enthalpy, entropy and free energy in the harmonic or a quasi-harmonic approximation.

    A molecule is an ideal gas of rigid rotors. A periodic structure, or one with fixed atoms, only vibrates, and the
    pressure does not matter. The formulas are those of ASE. Imaginary modes are left out and counted in the result;
    at a transition state that is right.

    Low frequencies, for which the harmonic entropy diverges, can be treated in two ways. ``grimme`` interpolates the
    entropy between that of the oscillator and that of a free rotor around 100 cm^-1 (doi:10.1002/chem.201200497).
    ``truhlar`` raises frequencies below 100 cm^-1 to that value (doi:10.1021/jp205508z).

    Args:
        modes: From :func:`atnn.observables.harmonic`, at a minimum.
        temperature: Temperature [K].
        pressure: Pressure of the ideal gas [bar].
        low: Treatment of low frequencies.
        symmetry: Symmetry number of a molecule; found from its geometry where it is not given.

    Raises:
        SpecificationError: Temperature, pressure or symmetry number are not positive.
    """
    if not (temperature > 0 and pressure > 0 and (symmetry is None or symmetry >= 1)):
        raise SpecificationError(
            f"{temperature} K, {pressure} bar, symmetry number {symmetry}: all must be positive",
            where="thermochemistry",
            remedy="give for instance 298.15 K and 1 bar, and leave the symmetry number out",
        )
    lines = modes.frequencies[modes.frequencies > 0]
    lines = np.maximum(lines, CUTOFF) if low == "truhlar" else lines
    free = modes.rigid > 0 and not modes.periodic
    if free:
        symmetry = symmetry or symmetry_number(modes.numbers, modes.positions, modes.masses)
        enthalpy, entropy = _ideal_gas(modes, lines, temperature, pressure, symmetry)
    else:
        enthalpy, entropy = _vibrating_body(modes, lines, temperature)
    if low == "grimme":
        entropy += float(_interpolation(lines, temperature).sum())
    return Thermochemistry(
        temperature=temperature,
        pressure=pressure if free else None,
        symmetry_number=symmetry if free else None,
        zero_point_energy=0.5 * inverse_cm * float(lines.sum()),
        enthalpy=enthalpy,
        entropy=entropy,
        free_energy=enthalpy - temperature * entropy,
        imaginary=modes.imaginary,
    )


def _ideal_gas(
    modes: NormalModes, lines: np.ndarray, temperature: float, pressure: float, symmetry: int
) -> tuple[float, float]:
    shapes: dict[int, Literal["monatomic", "linear", "nonlinear"]] = {3: "monatomic", 5: "linear", 6: "nonlinear"}
    gas = IdealGasThermo(
        (inverse_cm * lines).tolist(),
        shapes[modes.rigid],
        potentialenergy=modes.energy,
        atoms=Atoms(modes.numbers, modes.positions, masses=modes.masses),
        symmetrynumber=symmetry,
        spin=modes.spin / 2,
        vib_selection="all",
    )
    entropy = gas.get_entropy(temperature, pressure * _PASCAL, verbose=False)
    return float(gas.get_enthalpy(temperature, verbose=False)), float(entropy)


def _vibrating_body(modes: NormalModes, lines: np.ndarray, temperature: float) -> tuple[float, float]:
    spin = boltzmann * float(np.log(modes.spin + 1))
    if not len(lines):
        return modes.energy, spin
    body = HarmonicThermo((inverse_cm * lines).tolist(), potentialenergy=modes.energy)
    entropy = body.get_entropy(temperature, verbose=False)
    return float(body.get_internal_energy(temperature, verbose=False)), float(entropy) + spin


def _interpolation(lines: Float[np.ndarray, " modes"], temperature: float) -> Float[np.ndarray, " modes"]:
    """What Grimme's interpolation adds to the harmonic entropies of vibrations [eV/K] (equations 3 to 8 there)."""
    x = inverse_cm * lines / (boltzmann * temperature)
    vibration = x / np.expm1(x) - np.log(-np.expm1(-x))
    inertia = PLANCK_SI / (8 * np.pi**2 * 100 * LIGHT_SPEED_SI * lines)
    inertia = inertia * MEAN_INERTIA / (inertia + MEAN_INERTIA)
    rotation = 0.5 + 0.5 * np.log(8 * np.pi**3 * inertia * BOLTZMANN_SI * temperature / PLANCK_SI**2)
    weight = 1 / (1 + (CUTOFF / lines) ** 4)
    return boltzmann * (1 - weight) * (rotation - vibration)
