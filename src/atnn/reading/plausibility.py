"""Whether energies look as if they were in another unit than assumed. It is asked only where nobody declared units."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from atnn.structures import Structures

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
