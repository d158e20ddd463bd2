"""GFN2-xTB by the program tblite itself: ``python tests/references/hydrogen_fluoride.py``."""

from importlib.metadata import version

import numpy as np
from ase.units import Bohr
from tblite.interface import Calculator
from writing import write_reference

calculator = Calculator("GFN2-xTB", np.array([9, 1]), np.array([[0, 0, 0], [0, 0, 0.92]]) / Bohr)
calculator.set("verbosity", 0)
energy = calculator.singlepoint().get("energy")
write_reference(
    "hydrogen_fluoride",
    float(energy),
    unit="hartree",
    source="GFN2-xTB energy of HF at 0.92 Angstrom by tblite; xtb 6.5.1 gives -5.2227271, too",
    version=f"tblite {version('tblite')}",
    script="hydrogen_fluoride.py",
)
