"""Ewald sums in mpmath, apart from atnn: the potential of a cubic lattice of charges in a uniform background.

``python tests/references/lattice_constants.py`` writes ``cubic_lattice.json`` anew. Needs mpmath.
"""

import itertools

import mpmath
from writing import write_reference

mpmath.mp.dps = 20


def potential(width, reach=8):
    """Less that of one charge in a cube of unit length; any width of the Gaussians gives the same."""
    total = -1 / (width * mpmath.sqrt(mpmath.pi) / 2) - mpmath.pi * width**2
    for cell in itertools.product(range(-reach, reach + 1), repeat=3):
        if squared := sum(n * n for n in cell):
            length = mpmath.sqrt(squared)
            total += mpmath.erfc(length / width) / length
            total += mpmath.exp(-((mpmath.pi * width) ** 2) * squared) / (mpmath.pi * squared)
    return -total


if __name__ == "__main__":
    assert mpmath.almosteq(potential(mpmath.mpf(1) / 2), potential(mpmath.mpf(2) / 5), 1e-14)
    write_reference(
        "cubic_lattice",
        float(potential(mpmath.mpf(1) / 2)),
        unit="squared charge over the lattice constant, less twice the energy per charge",
        source="Ewald sum; its first digits in G. Makov, M. C. Payne, Phys. Rev. B 1995, 51, 4014, "
        "doi:10.1103/PhysRevB.51.4014",
        version=f"mpmath {mpmath.__version__}",
        script="lattice_constants.py",
    )
