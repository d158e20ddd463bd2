"""Relaxed geometries, the starting point of harmonic analysis."""

from __future__ import annotations

from typing import Any

from ase.calculators.calculator import Calculator, all_changes
from ase.optimize import BFGS

from atnn.errors import DynamicsError
from atnn.model import Potential
from atnn.structures import Structures


def relax(potential: Potential, structures: Structures, fmax: float = 1e-3, steps: int = 500) -> Structures:
    """Move the atoms of each structure to the next minimum of the energy, at a fixed cell (BFGS of ASE).

    Args:
        potential: Gives ``energy`` and ``forces``.
        structures: The geometries to begin from.
        fmax: Largest force that may remain on an atom [eV/Angstrom].
        steps: Largest number of steps for each structure.

    Raises:
        DynamicsError: A structure did not converge.
    """
    relaxed = []
    for index in range(len(structures)):
        start = structures.select([index])
        atoms = start.to_ase()[0]
        atoms.calc = _Driven(potential, start)
        optimizer = BFGS(atoms, logfile=None)
        if not optimizer.run(fmax=fmax, steps=steps):
            force = float(start.positions.new_tensor(atoms.get_forces()).norm(dim=1).max())
            raise DynamicsError(
                f"not relaxed in {steps} steps, a force of {force:.2g} eV/Angstrom is left",
                where=f"structure {index} ({atoms.get_chemical_formula()})",
                remedy="begin closer to the minimum, allow more steps, or a larger fmax",
            )
        relaxed.append(start.replace(positions=start.positions.new_tensor(atoms.positions)))
    return Structures.concatenate(relaxed)


class _Driven(Calculator):
    """A potential as ASE's optimiser wants it."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012, a list in ASE

    def __init__(self, potential: Potential, start: Structures):
        super().__init__()
        self.potential, self.start = potential, start

    def calculate(self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        structures = self.start.replace(positions=self.start.positions.new_tensor(self.atoms.positions))
        results = self.potential(structures, ("energy", "forces"))
        self.results = {
            "energy": float(results["energy"][0]),
            "forces": results["forces"].detach().cpu().double().numpy(),
        }
