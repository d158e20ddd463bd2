"""Whether energies or polarizabilities look as if they were in another unit than assumed."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from atnn.quantities import QUANTITIES
from atnn.structures import Structures
from atnn.units import bohr, coulomb, factor

# Hartree-Fock limits of the atoms H to Ar [hartree]; PySCF's UHF/def2-QZVP gives the same to 2e-4 of each.
# Any all-electron energy lies within a few per cent of their sum, while hartree and eV differ by a factor of 27.
# fmt: off
_HARTREE_FOCK = np.array([
    np.nan, -0.5, -2.862, -7.433, -14.573, -24.529, -37.689, -54.401, -74.809, -99.409, -128.547, -161.859, -199.615,
    -241.877, -288.854, -340.719, -397.505, -459.482, -526.818,
])
# fmt: on
_TOLERANCE = 0.03


def looks_like_hartree(structures: Structures, energies: Float[np.ndarray, " structures"]) -> bool:
    """Whether most energies, taken as hartree, equal the sum over the atoms to 3 per cent.

    Args:
        structures: The geometries.
        energies: Total energies as the file states them; NaN where there is none.
    """
    numbers = structures.numbers.numpy()
    if numbers.max() >= len(_HARTREE_FOCK):
        return False
    expected = np.bincount(structures.batch.numpy(), weights=_HARTREE_FOCK[numbers], minlength=len(structures))
    given = ~np.isnan(energies)
    if not given.any():
        return False
    return bool(np.median(np.abs(energies[given] / expected[given] - 1)) < _TOLERANCE)


# Static dipole polarizabilities of free atoms [bohr^3]: Schwerdtfeger and Nagle, Mol. Phys. 117, 1200 (2019),
# doi:10.1080/00268976.2018.1535143. Metals are left out: in compounds they keep little of theirs.
FREE_ATOMS = {
    1: 4.50711, 2: 1.38376, 5: 20.5, 6: 11.3, 7: 7.4, 8: 5.3, 9: 3.74, 10: 2.66110, 14: 37.3, 15: 25.0, 16: 19.4,
    17: 14.6, 18: 11.083, 34: 28.9, 35: 21.0, 36: 16.78, 53: 32.9, 54: 27.32,
}  # fmt: skip
# Of the sum over free atoms. Neutral molecules and their liquids have 0.55 (methane) to 1.2 (carbon disulfide), cations
# less. The units differ by factors of 6.7 and more, so that at most one of them fits.
SMALLEST, LARGEST = 0.3, 1.7
UNITS = ("Angstrom^3", "bohr^3", "e^2*Angstrom^2/eV")


def judge_polarizability(
    structures: Structures, values: Float[Tensor, "structures 3 3"], given: Bool[Tensor, " structures"], unit: str,
    scale: float,
) -> tuple[str, str] | None:  # fmt: skip
    """Whether polarizabilities are of the size of molecules.

    Args:
        structures: The geometries. Anions and structures with metals are not judged.
        values: Polarizabilities in the package's units.
        given: Which structures have one.
        unit: Unit that the numbers of the file were taken in.
        scale: Its factor to the package's unit.

    Returns:
        What is wrong and what to do; None where the size is right, or none of the known units makes it right.
    """
    ratio = _median_ratio(structures, values, given)
    if ratio is None or SMALLEST < ratio < LARGEST:
        return None
    if 0 <= ratio < 1 and bool((structures.total_charge > 0).any()):
        return None
    size = f"polarizabilities, taken in {unit}, are {ratio:.2g} times the sum over the free atoms"
    if ratio < 0:
        remedy = "change their sign: the polarizability is -d2E/dF2, and positive"
        return f"{size}: their sign is that of the second derivative of the energy", remedy
    others = {name: factor(QUANTITIES["polarizability"].dimension, name) / scale for name in UNITS}
    fitting = [name for name, change in others.items() if SMALLEST < ratio * change < LARGEST]
    if not fitting:
        return None
    return (
        f"{size}; they look like {fitting[0]}, which makes them {ratio * others[fitting[0]]:.2g} times that sum",
        f'declare the unit: units={{"polarizability": "{fitting[0]}"}}, or "{unit}" if that is right '
        f"(on the command line: --unit polarizability={fitting[0]})",
    )


def _median_ratio(structures: Structures, values: Tensor, given: Tensor) -> float | None:
    """Median of the mean polarizability over that of the free atoms; None where nothing can be judged."""
    table = torch.full((int(structures.numbers.max()) + 1,), torch.nan, dtype=torch.float64)
    for number, volume in FREE_ATOMS.items():
        if number < len(table):
            table[number] = volume * bohr**3 / coulomb
    sums = torch.zeros(len(structures), dtype=torch.float64)
    sums = sums.index_add(0, structures.batch, table[structures.numbers])
    means = values.double().diagonal(dim1=1, dim2=2).mean(1)
    judged = given & sums.isfinite() & (structures.total_charge >= 0)
    return float((means[judged] / sums[judged]).median()) if bool(judged.any()) else None
