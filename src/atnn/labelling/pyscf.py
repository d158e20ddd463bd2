"""Density-functional theory of molecules through PySCF."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from ase.data import chemical_symbols

from atnn.basis import Basis
from atnn.errors import LabellingError, suggest
from atnn.labelling.coupled import add_field, compute_hessian, field_gradient, nuclear_energy, polarizability
from atnn.labelling.protocol import Labels, check_basis, electrons, find_version
from atnn.labelling.responses import check_responses, describe_responses, differentiate_by_field, find_field
from atnn.structures import Structures
from atnn.units import bohr, field_atomic_unit, hartree

TIGHT = 1e-12  # hartree; differences of forces need densities that are converged further than energies do


@dataclass(frozen=True)
class PyscfLabeller:
    """Energy, forces, dipole and Mulliken charges of a molecule from Kohn-Sham theory with density fitting.

    Closed shells are restricted, all others unrestricted. Forces include the response of the integration grid, so
    that they sum to zero and are the derivative of the energy. The dipole points from minus to plus. Its origin is
    that of the coordinates, which matters for charged molecules only. Source: doi:10.1063/5.0006074.

    All of it is given in the electric field that a structure states, with dipole = -dE/dF. The polarizability solves
    the coupled-perturbed Kohn-Sham equations. Born charges are central differences of forces in fields of
    0.05 V/Angstrom, right to about 1e-4 e; they take six more calculations. The Hessian is analytic, without the
    response of the integration grid, which is about 0.02 eV/Angstrom^2 at level 3 and nothing with Hartree-Fock. There
    is none in a field.

    Attributes:
        xc: Functional, in PySCF's spelling.
        basis: Basis set.
        convergence: Largest change of the energy between the last self-consistent cycles [hartree].
        maximum_cycles: Self-consistent cycles before the calculation counts as failed.
        grid_level: PySCF's level of the integration grid, 0 to 9.
        responses: Which of ``polarizability``, ``born_charges`` and ``hessian`` to label, too.
        orbitals: Basis, see :func:`~atnn.labelling.find_basis`, in which ``hamiltonian``, the converged Kohn-Sham
            matrix, and ``overlap`` are labels, too. They are as exact as the root of ``convergence``.
    """

    xc: str = "b3lyp"
    basis: str = "def2-svp"
    convergence: float = 1e-9
    maximum_cycles: int = 100
    grid_level: int = 3
    responses: tuple[str, ...] = ()
    orbitals: Basis | None = None

    def __post_init__(self) -> None:
        """Check the responses, and declare the rows of the matrices."""
        check_responses(self.responses, "PySCF")
        check_basis(self.orbitals, "pyscf", self.basis)

    @property
    def settings(self) -> dict[str, str | int | float]:
        """Everything that the labels depend on."""
        return {
            "program": "pyscf",
            "version": find_version("pyscf"),
            "xc": self.xc,
            "basis": self.basis,
            "convergence": self.convergence,
            "maximum_cycles": self.maximum_cycles,
            "grid_level": self.grid_level,
            "density_fitting": "default",
            **describe_responses(self.responses),
            **({} if self.orbitals is None else {"orbitals": self.orbitals.model_dump_json()}),
        }

    def __call__(self, structure: Structures) -> Labels:
        """Labels of one molecule.

        Raises:
            LabellingError: Not converged, a periodic structure, an element without basis, a Hessian in a field or of a
                functional without one, or PySCF is not installed.
        """
        charge, spin = electrons(structure, further=("field",))
        if bool(structure.pbc.any()):
            raise LabellingError("this PySCF labeller is for molecules", remedy="set pbc to False, or use tblite")
        if spin is None:
            spin = (int(structure.numbers.sum()) - charge) % 2
        stated = find_field(structure, "PySCF")
        if stated is not None and "hessian" in self.responses:
            raise LabellingError(
                "PySCF has no Hessian in an electric field", remedy="leave the field or the Hessian out, or use tblite"
            )
        method = self._converge(structure, charge, spin, stated)
        labels = self._labels(method, stated)
        if self.orbitals is not None:
            labels |= self._compute_matrices(method, self.orbitals, structure)
        if "polarizability" in self.responses:
            labels["polarizability"] = polarizability(method)
        if "hessian" in self.responses:
            labels["hessian"] = compute_hessian(method)
        if "born_charges" in self.responses:
            tight = replace(self, convergence=min(self.convergence, TIGHT))
            density = method.make_rdm1()

            def calculate(field: np.ndarray) -> Labels:
                return tight._labels(tight._converge(structure, charge, spin, field, density), field)

            labels |= differentiate_by_field(calculate, stated, ("born_charges",))
        return labels

    def _labels(self, method: Any, stated: np.ndarray | None) -> Labels:
        """What every calculation gives, in a field [V/Angstrom] or none."""
        solver = method.nuc_grad_method()
        solver.grid_response = _library()[1].libxc.xc_type(self.xc) != "HF"  # PySCF fails where there is no grid
        energy, gradient = method.e_tot, np.asarray(solver.kernel())
        if stated is not None:
            field = stated / field_atomic_unit
            energy = energy + nuclear_energy(method.mol, field)
            gradient = gradient + field_gradient(method, field)
        return {
            "energy": np.asarray(energy * hartree),
            "forces": -gradient * (hartree / bohr),
            "dipole": np.asarray(method.dip_moment(unit="AU", verbose=0)) * bohr,
            "charges": np.asarray(method.mulliken_pop(verbose=0)[1]),
        }

    def _compute_matrices(self, method: Any, basis: Basis, structure: Structures) -> Labels:
        fock, numbers = np.asarray(method.get_fock()), structure.numbers.tolist()
        if fock.ndim > 2:
            raise LabellingError(
                "open shells have two Hamiltonians, one for each spin", remedy="give closed shells, or no `orbitals`"
            )
        check_shells(method.mol, basis, numbers)
        overlap = method.get_ovlp()
        return {"hamiltonian": basis.split(fock * hartree, numbers), "overlap": basis.split(overlap, numbers)}

    def _converge(
        self,
        structure: Structures,
        charge: int,
        spin: int,
        stated: np.ndarray | None,
        density: np.ndarray | None = None,
    ) -> Any:
        dft = _library()[1]
        try:
            molecule = make_molecule(structure, self.basis, charge, spin)
            method = dft.KS(molecule, xc=self.xc).density_fit()
            method.conv_tol, method.max_cycle = self.convergence, self.maximum_cycles
            method.grids.level = self.grid_level
            if stated is not None:
                add_field(method, stated / field_atomic_unit)
            method.kernel(density)
        except (KeyError, RuntimeError, ValueError, np.linalg.LinAlgError) as error:
            raise LabellingError(
                f"{self.xc}/{self.basis} failed: {error}", remedy="look at the elements, the basis and the functional"
            ) from error
        if not method.converged:
            raise LabellingError(
                f"{self.xc}/{self.basis} did not converge in {self.maximum_cycles} cycles",
                remedy="look at the geometry, the charge and the spin",
            )
        return method


def make_molecule(structure: Structures, basis: str, charge: int = 0, spin: int | None = None) -> Any:
    """Make PySCF's molecule of one structure.

    Args:
        structure: The structure.
        basis: Basis set.
        charge: Total charge [e].
        spin: Number of unpaired electrons; none: whatever fits, where only the orbitals matter.
    """
    places = structure.positions.detach().double() / bohr
    atoms = list(zip(structure.numbers.tolist(), places.tolist(), strict=True))
    spin = int(structure.numbers.sum()) % 2 if spin is None else spin
    return _library()[0].M(atom=atoms, unit="Bohr", basis=basis, charge=charge, spin=spin, verbose=0)


def list_shells(molecule: Any, atom: int) -> tuple[int, ...]:
    """List the angular momenta of the shells of an atom of PySCF's molecule."""
    shells = range(molecule.nbas)
    own = (k for k in shells if molecule.bas_atom(k) == atom)
    return tuple(molecule.bas_angular(k) for k in own for _ in range(molecule.bas_nctr(k)))


def check_shells(molecule: Any, basis: Basis, numbers: Sequence[int]) -> None:
    """Check that every atom of PySCF's molecule has the shells that a basis states.

    Raises:
        LabellingError: One has others.
    """
    for atom, number in enumerate(numbers):
        if (found := list_shells(molecule, atom)) != basis.list_shells(number):
            raise LabellingError(
                f"{chemical_symbols[number]} has the shells {list(found)} in {basis.name}, and not "
                f"{list(basis.list_shells(number))}",
                where="basis",
                remedy="take the basis that find_basis gives",
            )


def check_names(functional: str, basis: str) -> None:
    """Check that PySCF knows a functional and a basis set, before hours are spent on a misspelt one.

    Raises:
        LabellingError: It does not know one of them, or is not installed.
    """
    gto, dft = _library()
    try:
        parts = dft.libxc.parse_xc(functional)
    except (KeyError, ValueError, NotImplementedError):
        parts = None
    if not functional.strip() or parts is None:
        hint = suggest(functional, {*dft.libxc.XC_CODES, *dft.libxc.XC_ALIAS})
        raise LabellingError(f"PySCF knows no functional {functional!r}", remedy=f"{hint}e.g. pbe, b3lyp, wb97m-v")
    aliases = gto.basis.ALIAS
    plain = re.sub("[-_ ]", "", basis.lower())
    if plain not in aliases and not _has_basis(gto, basis):
        raise LabellingError(
            f"PySCF knows no basis set {basis!r}", remedy=f"{suggest(plain, aliases)}e.g. def2-svp, cc-pvtz, 6-31g*"
        )


def _has_basis(gto: Any, basis: str) -> bool:
    """Whether PySCF can load a basis set whose name is composed, such as 6-31g(d,p)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it advises to install another package
        try:
            return bool(gto.basis.load(basis, "H"))
        except (KeyError, ValueError, RuntimeError):
            return False


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
