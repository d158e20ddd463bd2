"""Relaxed geometries, the starting point of harmonic analysis."""

from __future__ import annotations

import numpy as np
from ase.optimize import BFGS

from atnn.errors import DynamicsError
from atnn.interfaces.ase import Calculator
from atnn.model import Potential
from atnn.structures import Structures


def relax(potential: Potential, structures: Structures, fmax: float = 1e-3, steps: int = 500) -> Structures:
    """Move the atoms of each structure to the next minimum of the energy, at a fixed cell (BFGS of ASE).

    Fixed atoms stay where they are, and their forces do not count.

    Args:
        potential: Gives ``energy`` and ``forces``.
        structures: The geometries to begin from.
        fmax: Largest force that may remain on an atom [eV/Angstrom].
        steps: Largest number of steps for each structure.

    Raises:
        DynamicsError: A structure did not converge.
    """
    relaxed = []
    for index, start in enumerate(structures.singles()):
        atoms = start.to_ase()[0]
        atoms.calc = Calculator(potential)
        if not BFGS(atoms, logfile=None).run(fmax=fmax, steps=steps):
            force = float(np.linalg.norm(atoms.get_forces(), axis=1).max())
            raise DynamicsError(
                f"not relaxed in {steps} steps, a force of {force:.2g} eV/Angstrom is left",
                where=f"structure {index} ({atoms.get_chemical_formula()})",
                remedy="begin closer to the minimum, allow more steps, or a larger fmax",
            )
        relaxed.append(start.replace(positions=start.positions.new_tensor(atoms.positions)))
    return Structures.concatenate(relaxed)
