"""Density-functional theory of molecules through PySCF."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np

from atnn.errors import LabellingError
from atnn.labelling.protocol import Labels, electrons
from atnn.structures import Structures
from atnn.units import bohr, hartree


@dataclass(frozen=True)
class PyscfLabeller:
    """Energy, forces, dipole and Mulliken charges of a molecule from Kohn-Sham theory with density fitting.

    Closed shells are restricted, all others unrestricted. Forces include the response of the integration grid, so
    that they sum to zero and are the derivative of the energy. The dipole points from minus to plus. Its origin is
    that of the coordinates, which matters for charged molecules only. Source: doi:10.1063/5.0006074.

    Attributes:
        xc: Functional, in PySCF's spelling.
        basis: Basis set.
        convergence: Largest change of the energy between the last self-consistent cycles [hartree].
        maximum_cycles: Self-consistent cycles before the calculation counts as failed.
        grid_level: PySCF's level of the integration grid, 0 to 9.
    """

    xc: str = "b3lyp"
    basis: str = "def2-svp"
    convergence: float = 1e-9
    maximum_cycles: int = 100
    grid_level: int = 3

    @property
    def settings(self) -> dict[str, str | int | float]:
        """Everything that the labels depend on."""
        return {
            "program": "pyscf",
            "version": version("pyscf"),
            "xc": self.xc,
            "basis": self.basis,
            "convergence": self.convergence,
            "maximum_cycles": self.maximum_cycles,
            "grid_level": self.grid_level,
            "density_fitting": "default",
        }

    def __call__(self, structure: Structures) -> Labels:
        """Labels of one molecule.

        Raises:
            LabellingError: Not converged, a periodic structure, an element without basis, or PySCF is not installed.
        """
        charge, spin = electrons(structure)
        if bool(structure.pbc.any()):
            raise LabellingError("this PySCF labeller is for molecules", remedy="set pbc to False, or use tblite")
        if spin is None:
            spin = (int(structure.numbers.sum()) - charge) % 2
        field = self._converge(structure, charge, spin)
        gradient = field.nuc_grad_method()
        gradient.grid_response = True
        return {
            "energy": np.asarray(field.e_tot * hartree),
            "forces": -np.asarray(gradient.kernel()) * (hartree / bohr),
            "dipole": np.asarray(field.dip_moment(unit="AU", verbose=0)) * bohr,
            "charges": np.asarray(field.mulliken_pop(verbose=0)[1]),
        }

    def _converge(self, structure: Structures, charge: int, spin: int) -> Any:
        gto, dft = _library()
        places = structure.positions.detach().double() / bohr
        atoms = list(zip(structure.numbers.tolist(), places.tolist(), strict=True))
        try:
            molecule = gto.M(atom=atoms, unit="Bohr", basis=self.basis, charge=charge, spin=spin, verbose=0)
            field = dft.KS(molecule, xc=self.xc).density_fit()
            field.conv_tol, field.max_cycle, field.grids.level = self.convergence, self.maximum_cycles, self.grid_level
            field.kernel()
        except (KeyError, RuntimeError, ValueError, np.linalg.LinAlgError) as error:
            raise LabellingError(
                f"{self.xc}/{self.basis} failed: {error}", remedy="look at the elements, the basis and the functional"
            ) from error
        if not field.converged:
            raise LabellingError(
                f"{self.xc}/{self.basis} did not converge in {self.maximum_cycles} cycles",
                remedy="look at the geometry, the charge and the spin",
            )
        return field


@cache
def _library() -> tuple[Any, Any]:
    """PySCF's molecules and density functionals."""
    try:
        from pyscf import dft, gto
    except ImportError as error:
        raise LabellingError(
            "the package pyscf is not installed", remedy="pip install 'atnn[labelling]' (or pyscf)"
        ) from error
    return gto, dft
