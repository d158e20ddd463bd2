"""A model, or any other potential, as an ASE calculator."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.calculators import calculator as ase_calculator
from ase.stress import full_3x3_to_voigt_6_stress
from torch import Tensor

from atnn.data.matrices import join_matrix
from atnn.errors import DataError, SpecificationError
from atnn.model import Model, ModelPotential, Potential, load_model
from atnn.neighbors import CLOSEST, refuse_contacts
from atnn.quantities import QUANTITIES
from atnn.stated import MARKS, STATED
from atnn.structures import Structures

_WIDEST_SKIN = 100.0  # Angstrom; wider ones make lists of all pairs
_LOOK = 3.0  # Angstrom; atoms farther apart need not be looked at for a while
_DTYPES = {"float32": torch.float32, "float64": torch.float64}


class Calculator(ase_calculator.Calculator):
    """Everything that a model gives, for ASE: energy, forces, stress, dipole, charges and all else in the table.

    ``stress`` is that of structures periodic in three dimensions, in ASE's sign and Voigt order. Total charge and
    unpaired electrons are read from ``atoms.info["charge"]`` and ``["spin"]``. Those that a model without such
    ``conditions`` ignores are an error, or a warning where only the charges see them. Quantities that ASE has no name
    for are read with ``calculator.get_property(name, atoms)``; quantities of pairs of atoms are matrices there, and a
    ``hamiltonian`` is that of all orbitals, without the padding of its blocks.

    Args:
        model: A model, its file, or any other potential, for instance a reference method.
        dtype: ``"float32"`` or ``"float64"``; the model's own by default.
        compile: Compile the model at the first call (seconds), for many fast calls after.
        skin: Verlet skin [Angstrom]; that of :class:`~atnn.model.ModelPotential` by default.
        device: Where to compute; where the model is by default.

    Raises:
        ModelFileError: The file is no intact model.
        SpecificationError: Another ``dtype``, a ``skin`` that is no length, or settings of a model given with another
            potential.
        DataError: At a call, if the model does not know an element or ignores a charge or a spin, if positions are no
            numbers, or two atoms are closer than 0.1 Angstrom.

    Example:
        atoms.calc = Calculator("ethanol.atnn", compile=True)
    """

    def __init__(
        self,
        model: Model | str | Path | Potential,
        *,
        dtype: str | torch.dtype | None = None,
        compile: bool = False,
        skin: float | None = None,
        device: torch.device | str | None = None,
    ):
        super().__init__()
        settings = {"dtype": _dtype(dtype), "compile": compile or None, "skin": _skin(skin), "device": device}
        self.potential = _potential(model, {name: value for name, value in settings.items() if value is not None})
        given: list[str] = [name for name in QUANTITIES if name in self.potential.outputs]
        self.implemented_properties = [*given, "free_energy"] if "energy" in given else given
        self._always = [name for name in ("energy", "forces") if name in given]
        self._wanted: list[str] = []
        self._structure: Structures | None = None
        self._fixed: tuple = ()
        self._apart: tuple[np.ndarray, float] | None = None

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
        """Compute energy and forces, and whatever else was asked for since the composition last changed."""
        atoms = self.atoms if atoms is None else atoms
        assert atoms is not None
        if self._structure is None or "numbers" in system_changes:
            bare = atoms.copy()
            bare.set_constraint()  # which ASE obeys itself
            self._structure, self._apart = Structures.from_ase(bare), None
            self._fixed, self._last = _fixed(atoms), atoms.copy()
            self._wanted = list(self._always)
        else:
            self._structure = self._structure.replace(positions=torch.from_numpy(atoms.positions))
            self._last.positions[:] = atoms.positions
        self.atoms = self._last  # which ASE drops at every move
        self._refuse_contacts()
        asked = ["energy" if name == "free_energy" else name for name in properties]
        self._wanted += [name for name in dict.fromkeys(asked) if name not in self._wanted]
        found = self.potential(self._structure, self._wanted)
        wrong = [name for name, value in found.items() if not torch.isfinite(value).all()]
        if wrong:
            refuse_contacts(self._structure)
            raise DataError(
                f"{', '.join(wrong)}: NaN or infinite",
                where=f"structure {atoms.get_chemical_formula()}",
                remedy="look at what moved the atoms: a smaller time step, or another start",
            )
        results = {name: _as_ase(name, value, atoms.numbers) for name, value in found.items() if name in QUANTITIES}
        if "energy" in results:
            results["free_energy"] = results["energy"]
        self.results = results

    def _refuse_contacts(self) -> None:
        """Refuse coincident atoms; they are looked for again when some could have met since the last look."""
        assert self._structure is not None
        positions = self._structure.positions.numpy()
        if self._apart is not None:
            before, free = self._apart
            moved = positions - before
            if np.einsum("ij,ij->i", moved, moved).max() < free * free:
                return
        shortest = refuse_contacts(self._structure, reach=_LOOK)
        self._apart = positions.copy(), (shortest - CLOSEST) / 2


def _dtype(dtype: str | torch.dtype | None) -> torch.dtype | None:
    if dtype is None or dtype in _DTYPES.values():
        return dtype  # type: ignore[return-value]
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise SpecificationError(f"unknown dtype {dtype!r}", remedy="use float32 or float64")
    return _DTYPES[dtype]


def _skin(skin: float | None) -> float | None:
    if skin is not None and not (isinstance(skin, int | float) and 0 <= skin <= _WIDEST_SKIN):
        raise SpecificationError(
            f"skin = {skin!r}", where="Calculator", remedy=f"give a length up to {_WIDEST_SKIN:g} Angstrom"
        )
    return skin


def _potential(model: Model | str | Path | Potential, settings: dict[str, Any]) -> Potential:
    if isinstance(model, str | Path):
        return ModelPotential(load_model(model), **settings)
    if isinstance(model, Model):
        return ModelPotential(copy.deepcopy(model), **settings)  # the caller may go on training the model
    if settings:
        raise SpecificationError(
            f"{', '.join(settings)} set for a potential that is made already",
            where="Calculator",
            remedy="set them where the potential is made, or give a model",
        )
    return model


def _as_ase(name: str, value: Tensor, numbers: np.ndarray) -> float | np.ndarray:
    """The value of one structure as ASE has it: no axis of structures, numbers as ``float``, pairs as a matrix."""
    array, row = value.detach().double().cpu().numpy(), QUANTITIES[name]
    array = array[0] if row.axis == "structure" else join_matrix(array, row)
    if row.sizes:
        sizes = dict(row.sizes)
        present = np.concatenate([np.arange(row.shape[0]) < sizes[number] for number in numbers.tolist()])
        array = array[np.ix_(present, present)]
    if name == "stress":
        array = full_3x3_to_voigt_6_stress(array)
    return float(array) if array.ndim == 0 else array


def _fixed(atoms: Atoms) -> tuple:
    """Everything but the positions that results depend on; bytes compare faster than arrays."""
    stated = (atoms.info.get(entry.key) for entry in STATED.values())
    rest = (None if value is None else _as_bytes(value) for value in stated)
    marks = (atoms.arrays[name] for name in MARKS if name in atoms.arrays)
    places = (atoms.numbers.tobytes(), atoms.cell.array.tobytes(), atoms.pbc.tobytes())
    return (*places, *rest, *(_as_bytes(value) for value in marks))


def _as_bytes(value: Any) -> bytes:
    try:
        return np.asarray(value, dtype=float).tobytes()
    except (TypeError, ValueError, OverflowError):
        return repr(value).encode()  # Structures.from_ase says what is wrong with it
