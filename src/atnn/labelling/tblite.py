"""Extended tight binding (GFN1-xTB, GFN2-xTB) through the tblite library."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np

from atnn.errors import LabellingError
from atnn.labelling.protocol import Labels, electrons, find_version
from atnn.structures import Structures
from atnn.units import bohr, boltzmann, hartree

Parametrisation = Literal["GFN2-xTB", "GFN1-xTB"]


@dataclass(frozen=True)
class TbliteLabeller:
    """Energy, forces, dipole, charges and, for crystals, stress from GFN2-xTB or GFN1-xTB.

    The dipole points from minus to plus. Its origin is that of the coordinates, which matters for charged molecules
    only. Unpaired electrons occupy orbitals, without a spin-polarisation energy. Crystals are sampled at
    the Gamma point and have no dipole. GFN2-xTB often does not converge for metals.
    Sources: doi:10.1021/acs.jctc.8b01176 (GFN2), doi:10.1021/acs.jctc.7b00118 (GFN1).

    Attributes:
        method: Name of the parametrisation.
        accuracy: Factor of tblite on all its thresholds; 0.01 converges forces to about 1e-5 eV/Angstrom.
        electronic_temperature: Temperature of the Fermi smearing [K].
        maximum_iterations: Self-consistent cycles before the calculation counts as failed.
    """

    method: Parametrisation = "GFN2-xTB"
    accuracy: float = 0.01
    electronic_temperature: float = 300.0
    maximum_iterations: int = 250

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
        }

    def __call__(self, structure: Structures) -> Labels:
        """Labels of one structure.

        Raises:
            LabellingError: Not converged, periodic along one or two directions only, an unknown element, or tblite
                is not installed.
        """
        charge, spin = electrons(structure)
        periodic = structure.pbc[0].numpy()
        if periodic.any() and not periodic.all():
            raise LabellingError(
                f"tblite cannot calculate structures periodic along some directions only, pbc {periodic.tolist()}",
                remedy="use a cell with vacuum and pbc along all three directions",
            )
        result = self._run(structure, charge, spin, bool(periodic.all()))
        labels = {
            "energy": np.asarray(result.get("energy") * hartree),
            "forces": -result.get("gradient") * (hartree / bohr),
            "charges": np.asarray(result.get("charges")),
        }
        if periodic.all():
            labels["stress"] = result.get("virial") * hartree / float(structure.volumes[0])
        else:
            labels["dipole"] = np.asarray(result.get("dipole")) * bohr
        return labels

    def _run(self, structure: Structures, charge: int, spin: int | None, periodic: bool) -> Any:
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
            return calculator.singlepoint()
        except tblite_errors as error:
            raise LabellingError(
                f"{self.method} failed: {error}",
                remedy="look at the geometry, the charge and the spin; metals often need GFN1-xTB",
            ) from error


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
