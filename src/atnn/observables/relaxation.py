"""Relaxed geometries, the starting point of harmonic analysis."""

from __future__ import annotations

import numpy as np
from ase.optimize import BFGS

from atnn.errors import DynamicsError
from atnn.interfaces.ase import Calculator
from atnn.model import Potential
from atnn.progress import Progress
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
    with show_relaxation(len(structures)) as progress:
        return Structures.concatenate(
            [relax_next(potential, start, fmax, steps, progress) for start in structures.singles()]
        )


def show_relaxation(count: int) -> Progress:
    """Progress of a relaxation of so many structures."""
    return Progress(f"relaxation of {count} structure{'' if count == 1 else 's'}", count, unit="structure")


def relax_next(potential: Potential, start: Structures, fmax: float, steps: int, progress: Progress) -> Structures:
    """Relax the next structure of several, and tell the steps and the largest force that is left.

    Args:
        potential: As in :func:`relax`.
        start: One structure.
        fmax: As in :func:`relax`.
        steps: As in :func:`relax`.
        progress: Counts the structures.

    Raises:
        DynamicsError: It did not converge.
    """
    atoms, index = start.to_ase()[0], progress.done
    atoms.calc = Calculator(potential)
    optimizer = BFGS(atoms, logfile=None)

    def left() -> float:
        return float(np.linalg.norm(atoms.get_forces(), axis=1).max())

    def tell() -> None:
        progress.reach(index, f"step {optimizer.nsteps}, {left():.2g} eV/Angstrom left")

    optimizer.attach(tell)
    converged = optimizer.run(fmax=fmax, steps=steps)
    progress.advance()
    if not converged:
        raise DynamicsError(
            f"not relaxed in {steps} steps, a force of {left():.2g} eV/Angstrom is left",
            where=f"structure {index} ({atoms.get_chemical_formula()})",
            remedy="begin closer to the minimum, allow more steps, or a larger fmax",
        )
    return start.replace(positions=start.positions.new_tensor(atoms.positions))
