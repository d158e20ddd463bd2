"""Named structures that tests all over the package share, as ASE ``Atoms``."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.build import add_adsorbate, fcc111, molecule

WATER_SPACING = 3.105  # Angstrom; a cubic grid of this spacing has 1 g/cm^3


def methane() -> Atoms:
    """CH4, no cell."""
    return molecule("CH4")


def ethanol() -> Atoms:
    """CH3CH2OH, no cell."""
    return molecule("CH3CH2OH")


def water_box(n: int = 2, seed: int = 0) -> Atoms:
    """``n**3`` waters of random orientation on a jittered cubic grid, periodic, 1 g/cm^3."""
    rng = np.random.default_rng(seed)
    water = molecule("H2O")
    centered = water.positions - water.positions.mean(0)
    sites = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    positions = [
        centered @ _rotation(rng).T + (site + 0.5) * WATER_SPACING + rng.normal(scale=0.1, size=3) for site in sites
    ]
    numbers = np.tile(water.numbers, n**3)
    return Atoms(numbers=numbers, positions=np.concatenate(positions), cell=[n * WATER_SPACING] * 3, pbc=True)


def slab(adsorbate: str = "H2", size: tuple[int, int, int] = (2, 2, 3), seed: int = 1) -> Atoms:
    """Rattled Cu(111) with a molecule above (``H2`` or ``CH3OH``), periodic along the surface only."""
    atoms = fcc111("Cu", size, vacuum=7.5)
    add_adsorbate(atoms, molecule(adsorbate), height=2.2, position="ontop", mol_index=1 if adsorbate == "CH3OH" else 0)
    atoms.pbc = (True, True, False)
    atoms.rattle(0.05, seed=seed)
    return atoms


def crystal(seed: int = 2) -> Atoms:
    """Rattled triclinic SiC-like cell of 4 atoms whose shortest height is far below any cutoff."""
    cell = np.array([[3.1, 0.2, -0.1], [0.9, 3.0, 0.3], [-0.4, 0.7, 4.4]])
    scaled = [[0, 0, 0], [0.25, 0.27, 0.22], [0.5, 0.48, 0.53], [0.74, 0.77, 0.71]]
    atoms = Atoms("SiCSiC", scaled_positions=scaled, cell=cell, pbc=True)
    atoms.rattle(0.05, seed=seed)
    return atoms


def single_atom(symbol: str = "O") -> Atoms:
    """One atom in vacuum."""
    return Atoms(symbol, positions=[[0.3, -0.2, 0.1]])


def two_fragments(distance: float = 30.0) -> Atoms:
    """Methane and water whose centers lie ``distance`` apart [Angstrom] along x."""
    first, second = molecule("CH4"), molecule("H2O")
    second.translate(first.positions.mean(0) - second.positions.mean(0))
    second.translate([distance, 0.0, 0.0])
    return first + second


def _rotation(rng: np.random.Generator) -> np.ndarray:
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.diag(r))
    q[:, 0] *= np.linalg.det(q)
    return q
