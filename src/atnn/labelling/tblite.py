"""Extended tight binding (GFN1-xTB, GFN2-xTB) through the tblite library."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np

from atnn.basis import Basis
from atnn.errors import LabellingError
from atnn.labelling.protocol import Labels, check_basis, electrons, find_version
from atnn.labelling.responses import (
    DISPLACEMENT,
    FIELD_RESPONSES,
    check_responses,
    describe_responses,
    differentiate_by_field,
    differentiate_by_position,
    find_field,
)
from atnn.structures import Structures
from atnn.units import bohr, boltzmann, field_atomic_unit, hartree

Parametrisation = Literal["GFN2-xTB", "GFN1-xTB"]


@dataclass(frozen=True)
class TbliteLabeller:
    """Energy, forces, dipole, charges and, for crystals, stress from GFN2-xTB or GFN1-xTB.

    The dipole points from minus to plus. Its origin is that of the coordinates, which matters for charged molecules
    only. Unpaired electrons occupy orbitals, without a spin-polarisation energy. Crystals are sampled at
    the Gamma point and have no dipole. GFN2-xTB often does not converge for metals.

    All of it is given in the electric field that a molecule states, with dipole = -dE/dF. Polarizability and Born
    charges are central differences between fields of 0.05 V/Angstrom, six more calculations. At the default accuracy
    they are right to 1e-4 of their largest component, 3e-4 for radicals. The minimal basis makes polarizabilities too
    small, those out of a plane most of all. The Hessian is a central difference of forces between displacements of
    0.005 Angstrom, six more calculations for each atom; that of a crystal is for displacements of all images.
    Sources: doi:10.1021/acs.jctc.8b01176 (GFN2), doi:10.1021/acs.jctc.7b00118 (GFN1).

    Attributes:
        method: Name of the parametrisation.
        accuracy: Factor of tblite on all its thresholds; 0.01 converges forces to about 1e-5 eV/Angstrom.
        electronic_temperature: Temperature of the Fermi smearing [K].
        maximum_iterations: Self-consistent cycles before the calculation counts as failed.
        responses: Which of ``polarizability``, ``born_charges`` and ``hessian`` to label, too.
        orbitals: Basis, see :func:`~atnn.labelling.find_basis`, in which ``hamiltonian``, the self-consistent matrix,
            and ``overlap`` of molecules are labels, too.
    """

    method: Parametrisation = "GFN2-xTB"
    accuracy: float = 0.01
    electronic_temperature: float = 300.0
    maximum_iterations: int = 250
    responses: tuple[str, ...] = ()
    orbitals: Basis | None = None

    def __post_init__(self) -> None:
        """Check the responses, and declare the rows of the matrices."""
        check_responses(self.responses, "tblite")
        check_basis(self.orbitals, "tblite", self.method)

    @property
    def settings(self) -> dict[str, str | int | float]:
        """Everything that the labels depend on."""
        return {
            "program": "tblite",
            "version": find_version("tblite"),
            "method": self.method,
            "accuracy": self.accuracy,
            "electronic_temperature": self.electronic_temperature,
            "maximum_iterations": self.maximum_iterations,
            **describe_responses(self.responses),
            **({"displacement": DISPLACEMENT} if "hessian" in self.responses else {}),
            **({} if self.orbitals is None else {"orbitals": self.orbitals.model_dump_json()}),
        }

    def __call__(self, structure: Structures) -> Labels:
        """Labels of one structure.

        Raises:
            LabellingError: Not converged, periodic along one or two directions only or in a field, an unknown element,
                or tblite is not installed.
        """
        charge, spin = electrons(structure, further=("field",))
        periodic = structure.pbc[0].numpy()
        if periodic.any() and not periodic.all():
            raise LabellingError(
                f"tblite cannot calculate structures periodic along some directions only, pbc {periodic.tolist()}",
                remedy="use a cell with vacuum and pbc along all three directions",
            )
        stated = find_field(structure, "tblite", self.responses)

        def calculate(field: np.ndarray | None) -> Labels:
            return self._labels(structure, self._run(structure, charge, spin, bool(periodic.all()), field))

        def find_forces(moved: Structures) -> np.ndarray:
            return _find_forces(self._run(moved, charge, spin, bool(periodic.all()), stated))

        labels = calculate(stated)
        if set(self.responses) & set(FIELD_RESPONSES):
            labels |= differentiate_by_field(calculate, stated, self.responses)
        if "hessian" in self.responses:
            labels["hessian"] = differentiate_by_position(find_forces, structure)
        return labels

    def _labels(self, structure: Structures, result: Any) -> Labels:
        labels = {
            "energy": np.asarray(result.get("energy") * hartree),
            "forces": _find_forces(result),
            "charges": np.asarray(result.get("charges")),
        }
        if self.orbitals is not None:
            labels |= _compute_matrices(result, self.orbitals, structure)
        if bool(structure.pbc.all()):
            labels["stress"] = result.get("virial") * hartree / float(structure.volumes[0])
        else:
            labels["dipole"] = np.asarray(result.get("dipole")) * bohr
        return labels

    def _run(
        self, structure: Structures, charge: int, spin: int | None, periodic: bool, field: np.ndarray | None
    ) -> Any:
        interface, tblite_errors = _library()
        lattice = structure.cell[0].double().numpy() / bohr if periodic else None
        try:
            calculator = interface.Calculator(
                self.method,
                structure.numbers.numpy(),
                structure.positions.detach().double().numpy() / bohr,
                charge=float(charge),
                uhf=spin,
                lattice=lattice,
                periodic=np.ones(3, dtype=bool) if periodic else None,
            )
            calculator.set("verbosity", 0)
            calculator.set("accuracy", self.accuracy)
            calculator.set("max-iter", self.maximum_iterations)
            calculator.set("temperature", self.electronic_temperature * boltzmann / hartree)
            if field is not None:
                calculator.add("electric-field", _pointer(field / field_atomic_unit))
            calculator.set("save-integrals", int(self.orbitals is not None))
            return calculator.singlepoint()
        except tblite_errors as error:
            raise LabellingError(
                f"{self.method} failed: {error}",
                remedy="look at the geometry, the charge and the spin; metals often need GFN1-xTB",
            ) from error


def _find_forces(result: Any) -> np.ndarray:
    """Forces [eV/Angstrom]."""
    return -result.get("gradient") * (hartree / bohr)


def _pointer(vector: np.ndarray) -> Any:
    """What tblite's C library takes; its Python interface passes an array on as it is."""
    from tblite import library

    return library.ffi.from_buffer("double[]", np.ascontiguousarray(vector, dtype=np.float64))


def _compute_matrices(result: Any, basis: Basis, structure: Structures) -> Labels:
    """Self-consistent Hamiltonian and overlap of a molecule.

    tblite keeps the Hamiltonian before the self-consistent potential is added. The orbitals C and their energies e give
    the one that they solve, ``H = S C e C^T S``, because ``C^T S C = 1``.
    """
    if bool(structure.pbc.any()):
        raise LabellingError("Hamiltonians are labels of molecules", remedy="set pbc to False, or give no `orbitals`")
    overlap, numbers = np.asarray(result.get("overlap-matrix")), structure.numbers.tolist()
    turned = overlap @ np.asarray(result.get("orbital-coefficients"))
    hamiltonian = (turned * np.asarray(result.get("orbital-energies"))) @ turned.T * hartree
    return {"hamiltonian": basis.split(hamiltonian, numbers), "overlap": basis.split(overlap, numbers)}


def describe_element(method: str, number: int) -> tuple[tuple[int, ...], int]:
    """Find the angular momenta of the shells of an element, and the number of its valence electrons.

    Raises:
        LabellingError: tblite does not know the method or the element, or is not installed.
    """
    interface, tblite_errors = _library()
    try:
        calculator = interface.Calculator(method, np.array([number]), np.zeros((1, 3)), uhf=number % 2)
        calculator.set("verbosity", 0)
        shells = calculator.get("angular-momenta")
        electrons_ = calculator.singlepoint().get("orbital-occupations").sum()
    except tblite_errors as error:
        raise LabellingError(f"{method} failed: {error}", remedy="give GFN2-xTB or GFN1-xTB, Z up to 86") from error
    return tuple(int(degree) for degree in shells), round(float(electrons_))


@cache
def _library() -> tuple[Any, tuple[type[Exception], ...]]:
    """The interface of tblite and its exceptions."""
    try:
        from tblite import interface
        from tblite.exceptions import TBLiteRuntimeError, TBLiteTypeError, TBLiteValueError
    except ImportError as error:
        raise LabellingError(
            "the package tblite is not installed", remedy="pip install 'atnn[labelling]' (or tblite)"
        ) from error
    return interface, (TBLiteRuntimeError, TBLiteTypeError, TBLiteValueError)
