"""B3LYP by the program PySCF itself: ``python tests/references/water.py``."""

from importlib.metadata import version

import numpy as np
from ase.build import molecule
from pyscf import dft, gto
from writing import write_reference

water = molecule("H2O")
mole = gto.M(atom=list(zip(water.symbols, water.positions, strict=True)), basis="def2-svp", verbose=0)
method = dft.RKS(mole, xc="b3lyp").density_fit().run()
write_reference(
    "water",
    {"energy": float(method.e_tot), "dipole": float(np.linalg.norm(method.dip_moment(unit="Debye", verbose=0)))},
    unit="energy in hartree, size of the dipole in debye",
    source="B3LYP/def2-SVP with density fitting of ase.build.molecule('H2O') by PySCF",
    version=f"pyscf {version('pyscf')}",
    script="water.py",
)
