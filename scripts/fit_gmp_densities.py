"""Valence densities of the elements as sums of Gaussians, the table of the GMP representation.

    OMP_NUM_THREADS=1 python scripts/fit_gmp_densities.py        (three minutes)

Writes src/atnn/representations/gmp_densities.json. For every element from hydrogen to radon the spherically averaged
atom is solved in the local density approximation: fractional occupations of the ground-state configuration, scalar
relativistic one-electron Hamiltonian (sf-X2C), uncontracted Dyall double-zeta basis. Basis sets, integrals and
functional are those of PySCF, the Coulomb potential is integrated on a radial grid. The density of the valence shells
is then fitted by four functions B exp(-beta r^2) that hold the right number of electrons:

    minimise  integral [w(r) r^2 (rho(r) - sum_g B_g exp(-beta_g r^2))]^2 dr,   w = rho / rho_all

The weight w, the valence's share of the density, leaves the nodes in the core out: there the fit is a smooth density of
the right norm, as that of a pseudopotential. The error of a fit is the fraction of electrons in the wrong place,
1/2 integral w |difference| 4 pi r^2 dr / electrons.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyscf
from ase.data import chemical_symbols
from ase.units import Bohr
from pyscf import gto, scf
from pyscf.dft import libxc
from scipy.integrate import cumulative_simpson, simpson
from scipy.linalg import eigh
from scipy.optimize import least_squares

from atnn.functions.species import HEAVIEST, NOBLE, SHELLS, electron_configuration

TABLE = Path(__file__).resolve().parents[1] / "src/atnn/representations/gmp_densities.json"
BASIS, FUNCTIONAL = "dyall-v2z", "lda,pw"
GAUSSIANS = 4
GAPS = np.log(2.0), np.log(6.0)  # between the logarithms of successive exponents
WIDEST = np.log(0.01)  # of an exponent [1/Bohr^2]
PENALTY = 30.0  # of a negative density
# Fractions of the electrons between which the radii of the Gaussians lie at the start.
STARTS = ((0.1, 0.9), (0.02, 0.98), (0.3, 0.97), (0.02, 0.8), (0.005, 0.95))
# Logarithmic: r = exp(x) [Bohr], dr = r dx.
X = np.linspace(np.log(1e-6), np.log(60.0), 4001)
R = np.exp(X)


class Shells(NamedTuple):
    """Radial functions of one angular momentum.

    Attributes:
        values: [functions, points], normalised so that ``integral values^2 r^2 dr`` is the overlap.
        overlap: [functions, functions].
        core: Kinetic energy, nuclear attraction and their relativistic correction, [functions, functions].
    """

    values: np.ndarray
    overlap: np.ndarray
    core: np.ndarray


def valence_shells(number: int) -> dict[str, int]:
    """Electrons in each subshell outside the noble-gas core, without d and f shells that are full before a p shell.

    So the d electrons of the transition metals count up to group 12, the f electrons of the lanthanides up to
    ytterbium, and elements of one group have the same number.
    """
    core = max([n for n in NOBLE if n < number], default=0)
    inner = electron_configuration(core) if core else dict.fromkeys(SHELLS, 0)
    outer = {
        shell: count - inner[shell] for shell, count in electron_configuration(number).items() if count > inner[shell]
    }
    beyond_f = number > 70
    has_p = any(shell[1] == "p" for shell in outer)
    return {s: n for s, n in outer.items() if not (s[1] == "f" and beyond_f) and not (s[1] == "d" and has_p)}


def shells(number: int) -> list[Shells]:
    """Radial basis of each occupied angular momentum."""
    symbol = chemical_symbols[number]
    highest = max("spdf".index(shell[1]) for shell, count in electron_configuration(number).items() if count)
    basis = [shell for shell in gto.uncontract(gto.basis.load(BASIS, symbol)) if shell[0] <= highest]
    atom = gto.M(atom=symbol, basis={symbol: basis}, spin=None, verbose=0)
    core, overlap = scf.RHF(atom).sfx2c1e().get_hcore(), atom.intor("int1e_ovlp")
    # On the z axis only m = 0 differs from zero, and its angular part is the root of (2 l + 1) / (4 pi).
    values = atom.eval_gto("GTOval_sph", np.stack([0 * R, 0 * R, R], axis=1)).T
    labels = np.array([label[3] for label in atom.ao_labels(fmt=None)])
    momenta = np.array([label[2].lstrip("0123456789") for label in atom.ao_labels(fmt=None)])
    result = []
    for degree, name in enumerate("spdf"[: highest + 1]):
        axial = np.flatnonzero((momenta == name) & (labels == {0: "", 1: "z", 2: "z^2", 3: "+0"}[degree]))
        block = np.ix_(axial, axial)
        result.append(Shells(values[axial] * np.sqrt(4 * np.pi / (2 * degree + 1)), overlap[block], core[block]))
    return result


def orbitals(basis: list[Shells], potential: np.ndarray) -> list[np.ndarray]:
    """Orbitals of each angular momentum on the grid, lowest energy first, in a potential without the nucleus'."""
    found = []
    for part in basis:
        matrix = part.core + simpson(part.values[:, None] * part.values[None] * potential * R**3, x=X)
        found.append(eigh(matrix, part.overlap)[1].T @ part.values)
    return found


def density(functions: list[np.ndarray], occupied: dict[str, int], valence: dict[str, int]) -> np.ndarray:
    """Spherical density [1/Bohr^3] of the given valence shells among the occupied ones."""
    total = np.zeros_like(R)
    for shell, count in valence.items():
        kind = shell[1]
        below = sum(s[1] == kind and n > 0 and int(s[0]) < int(shell[0]) for s, n in occupied.items())
        total += count * functions["spdf".index(kind)][below] ** 2 / (4 * np.pi)
    return total


def coulomb_and_exchange(rho: np.ndarray) -> np.ndarray:
    """Potential of the electrons [Hartree]."""
    shell = 4 * np.pi * rho * R**3
    inside = cumulative_simpson(shell, x=X, initial=0)
    outside = cumulative_simpson(shell / R, x=X, initial=0)
    exchange = libxc.eval_xc(FUNCTIONAL, np.maximum(rho, 1e-30))[1][0]
    return inside / R + (outside[-1] - outside) + exchange


def densities(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Self-consistent density of the valence shells and of all [1/Bohr^3] on the grid.

    Raises:
        RuntimeError: The iteration does not converge.
    """
    basis, occupied = shells(number), electron_configuration(number)
    filled = {shell: count for shell, count in occupied.items() if count}
    screening = 0.8853 / number ** (1 / 3)
    potential = number / R * (1 - 1 / (1 + R / screening) ** 2) * (number - 1) / number
    if number == 1:  # one electron does not repel itself
        alone = density(orbitals(basis, 0 * R), filled, filled)
        return alone, alone
    for _ in range(400):
        functions = orbitals(basis, potential)
        total = density(functions, filled, filled)
        new = coulomb_and_exchange(total)
        change = simpson(np.abs(new - potential) * R**3 * total, x=X) / number
        if change < 1e-7:
            return density(functions, filled, valence_shells(number)), total
        potential = potential + 0.3 * (new - potential)
    raise RuntimeError(f"{chemical_symbols[number]}: the potential still changes by {change:.1e} Hartree")


def gaussians(populations: np.ndarray, exponents: np.ndarray) -> np.ndarray:
    """Density [1/Bohr^3] of Gaussians with the given integrals and exponents [1/Bohr^2] on the grid."""
    amplitudes = populations * (exponents / np.pi) ** 1.5
    return amplitudes @ np.exp(-np.minimum(exponents[:, None] * R**2, 200.0))


def fit(rho: np.ndarray, total: np.ndarray, electrons: int, count: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Populations of Gaussians (their integrals), exponents [1/Bohr^2], fraction of electrons misplaced.

    Exponents keep apart, so that no two Gaussians cancel, and a negative density counts much, near the nucleus too.
    """
    share = np.minimum(rho / np.maximum(total, 1e-30), 1.0)
    measure = np.sqrt(R / simpson(R**5 * rho**2, x=X) * (X[1] - X[0]))  # dr under the square of what follows

    def unpack(parameters):
        free = parameters[: count - 1]
        return np.append(free, electrons - free.sum()), np.exp(np.cumsum(parameters[count - 1 :]))

    def residual(parameters):
        found = gaussians(*unpack(parameters))
        difference = share * R**2 * (found - rho)
        return np.concatenate([measure * difference, PENALTY * measure * np.minimum(found, 0) * np.sqrt(1 + R**4)])

    cumulative = cumulative_simpson(4 * np.pi * rho * R**3, x=X, initial=0) / electrons
    free, gaps = count - 1, np.array(GAPS)
    bounds = [[-np.inf] * free + [WIDEST] + [gaps[0]] * free, [np.inf] * (free + 1) + [gaps[1]] * free]
    solutions = []
    for low, high in STARTS:
        radii = np.interp(np.linspace(high, low, count), cumulative, R)
        steps = np.clip(np.diff(np.log(0.7 / radii**2)), gaps[0] + 0.1, gaps[1] - 0.1)
        start = [electrons / count] * free + [max(np.log(0.7 / radii[0] ** 2), WIDEST + 0.1), *steps]
        solutions.append(least_squares(residual, start, x_scale="jac", bounds=bounds, max_nfev=1000))
    best = unpack(min(solutions, key=lambda solution: solution.cost).x)
    misplaced = simpson(share * np.abs(gaussians(*best) - rho) * R**3, x=X) * 4 * np.pi / (2 * electrons)
    return *best, misplaced


def main() -> None:
    elements = {}
    for number in range(1, HEAVIEST + 1):
        electrons = sum(valence_shells(number).values())
        populations, exponents, misplaced = fit(*densities(number), electrons, GAUSSIANS)
        elements[chemical_symbols[number]] = {
            "electrons": electrons,
            "error": round(misplaced, 4),
            "populations": [float(f"{p:.6g}") for p in populations],
            "exponents": [float(f"{b:.6g}") for b in exponents / Bohr**2],
        }
        print(f"{chemical_symbols[number]:2s} {electrons:3d} electrons, {100 * misplaced:5.2f} % misplaced", flush=True)
    source = {
        "program": f"PySCF {pyscf.__version__}, scripts/fit_gmp_densities.py",
        "method": f"spherical atoms, {FUNCTIONAL.upper()}, sf-X2C, {BASIS} uncontracted; valence shells only",
        "units": "exponents in 1/Angstrom^2; populations in electrons, B = population (exponent / pi)^(3/2)",
        "error": "fraction of the electrons in the wrong place, weighted by the share of the valence in the density",
    }
    lines = ",\n".join(f"  {json.dumps(symbol)}: {json.dumps(entry)}" for symbol, entry in elements.items())
    TABLE.write_text(f'{{\n "source": {json.dumps(source, indent=2)},\n "elements": {{\n{lines}\n }}\n}}\n')


if __name__ == "__main__":
    main()
