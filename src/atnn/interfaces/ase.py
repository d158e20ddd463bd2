"""A model as an ASE calculator."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.calculators import calculator as ase_calculator
from ase.stress import full_3x3_to_voigt_6_stress

from atnn.errors import SpecificationError
from atnn.model import Model, ModelPotential, load_model
from atnn.structures import Structures

_DTYPES = {"float32": torch.float32, "float64": torch.float64}


class Calculator(ase_calculator.Calculator):
    """Energy, forces, stress, dipole and charges of a model for ASE.

    ``stress`` is that of structures periodic in three dimensions, in ASE's sign and Voigt order. Total charge and
    unpaired electrons are read from ``atoms.info["charge"]`` and ``["spin"]``; those that a
    model without such ``conditions`` ignores are an error, or a warning where only the charges see them.

    Args:
        model: A model, or its file.
        dtype: ``"float32"`` or ``"float64"``; the model's own by default.
        compile: Compile the model at the first call (seconds), for many fast calls after.
        skin: Verlet skin [Angstrom].
        device: Where to compute; where the model is by default.

    Raises:
        ModelFileError: The file is no intact model.
        SpecificationError: Another ``dtype``.
        DataError: At the first call, if the model does not know an element or ignores a charge or a spin.

    Example:
        atoms.calc = Calculator("ethanol.atnn", compile=True)
    """

    def __init__(
        self,
        model: Model | str | Path,
        *,
        dtype: str | torch.dtype | None = None,
        compile: bool = False,
        skin: float = 0.5,
        device: torch.device | str | None = None,
    ):
        super().__init__()
        if isinstance(dtype, str):
            if dtype not in _DTYPES:
                raise SpecificationError(f"unknown dtype {dtype!r}", remedy="use float32 or float64")
            dtype = _DTYPES[dtype]
        # a copy: another dtype or device here must not change the caller's model
        model = copy.deepcopy(model) if isinstance(model, Model) else load_model(model)
        self.potential = ModelPotential(model, skin=skin, compile=compile, dtype=dtype, device=device)
        given: list[str] = [n for n in ("energy", "forces", "stress", "dipole", "charges") if n in model.outputs]
        self.implemented_properties = [*given, "free_energy"] if "energy" in given else given
        self._always = [name for name in ("energy", "forces") if name in given]
        self._wanted: list[str] = []
        self._structure: Structures | None = None
        self._fixed: tuple = ()

    def check_state(self, atoms: Atoms, tol: float = 0.0) -> list[str]:
        """What changed since the last calculation; anything but positions starts a new pair list."""
        if self.atoms is None or _fixed(atoms) != self._fixed:
            return list(ase_calculator.all_changes)
        return [] if np.array_equal(atoms.positions, self.atoms.positions) else ["positions"]

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(ase_calculator.all_changes),
    ) -> None:
        """Energy and forces, and whatever else was asked for since the composition last changed."""
        atoms = self.atoms if atoms is None else atoms
        assert atoms is not None
        if self._structure is None or "numbers" in system_changes:
            self._structure = Structures.from_ase(atoms)
            self._fixed, self._last = _fixed(atoms), atoms.copy()
            self._wanted = list(self._always)
        else:
            self._structure = self._structure.replace(positions=torch.from_numpy(atoms.positions))
            self._last.positions[:] = atoms.positions
        self.atoms = self._last  # which ASE drops at every move
        self._wanted += [name for name in properties if name not in self._wanted and name != "free_energy"]
        found = self.potential(self._structure, self._wanted)
        results: dict[str, float | np.ndarray] = {n: value.double().cpu().numpy() for n, value in found.items()}
        if "energy" in found:
            results["energy"] = results["free_energy"] = float(found["energy"])
        if "dipole" in found:
            results["dipole"] = found["dipole"][0].double().cpu().numpy()
        if "stress" in found:
            results["stress"] = full_3x3_to_voigt_6_stress(found["stress"][0].double().cpu().numpy())
        self.results = results


def _fixed(atoms: Atoms) -> tuple:
    """Everything but the positions that results depend on; bytes compare faster than arrays."""
    info = atoms.info
    field = np.asarray(info.get("electric_field", 0.0), dtype=float)
    rest = (info.get("charge"), info.get("spin"), field.tobytes())
    return (atoms.numbers.tobytes(), atoms.cell.array.tobytes(), atoms.pbc.tobytes(), *rest)
