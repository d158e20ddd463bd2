"""Potentials are the one interface that dynamics, observables and active learning see."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from atnn.model.compiled import CompiledModel
from atnn.model.files import hash_model
from atnn.model.inputs import Inputs
from atnn.model.model import Model
from atnn.neighbors import VerletList
from atnn.stated import STATED
from atnn.structures import Neighbors, Structures


@runtime_checkable
class Potential(Protocol):
    """A potential gives energies and other quantities of structures."""

    @property
    def outputs(self) -> frozenset[str]:
        """Names of the quantities that it can give."""

    def __call__(self, structures: Structures, outputs: Sequence[str]) -> dict[str, Tensor]:
        """Compute the requested quantities, detached, in the units of the table."""

    def forget(self) -> None:
        """Drop everything kept of earlier calls. The next result then depends on its own arguments alone."""


@runtime_checkable
class Identified(Protocol):
    """A potential that says what it is, so that results state what made them and no other one goes on with them."""

    @property
    def identity(self) -> str:
        """What its results depend on, besides the structure: equal potentials say the same, in every process."""


class ModelPotential:
    """A model with its neighbor list, ready for dynamics.

    Args:
        model: The model, which is not changed; it is copied if type or device differ.
        skin: Verlet skin [Angstrom]; the pair list is rebuilt when an atom has moved by half the skin.
        compile: Trace and compile the model at the first call, which takes seconds and makes later calls faster.
        dtype: Floating-point type of the computation; that of the model by default.
        device: Device of the computation; that of the model by default.
    """

    def __init__(
        self,
        model: Model,
        *,
        skin: float = 0.5,
        compile: bool = False,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ):
        device, dtype = torch.device(device or model.device), dtype or model.dtype
        same = (device, dtype) == (model.device, model.dtype)
        self.model = model if same else copy.deepcopy(model).to(device, dtype)
        self.outputs = model.outputs
        self._list = VerletList(model.cutoff, skin)
        self._compiled = CompiledModel(self.model) if compile else None
        self._static: tuple[Neighbors, Inputs] | None = None
        self._checked: tuple[Tensor | None, ...] | None = None

    @property
    def identity(self) -> str:
        """Hash of the model, see :func:`atnn.model.hash_model`."""
        return hash_model(self.model)

    @property
    def builds(self) -> int:
        """Number of times that the pair list was built."""
        return self._list.builds

    def forget(self) -> None:
        """Drop the pair list.

        The order of the pairs, and with it the last bits of a sum, depends on the positions at which the list was
        built. Dynamics calls this at each checkpoint, so that a resumed run repeats an uninterrupted one.
        """
        self._list.forget()
        self._static = None

    def __call__(self, structures: Structures, outputs: Sequence[str]) -> dict[str, Tensor]:
        """Compute the requested quantities, detached.

        Raises:
            DataError: The model does not know an element, or ignores a field, charges or spins.
            SpecificationError: The model does not give an output.
        """
        self._check(structures, outputs)
        neighbors = self._list(structures)
        if self._static is None or self._static[0] is not neighbors:
            # All but the positions is prepared once per pair list, homes included. Until the list is rebuilt, each atom
            # of a pair may move by the skin: from half a skin on one side of where the list was built to half a skin on
            # the other.
            self._static = (neighbors, self.model.prepare(structures, neighbors, 2 * self._list.skin))
        inputs = self._static[1]
        positions = structures.positions.to(self.model.device, torch.float64)
        inputs = inputs._replace(structures=inputs.structures.replace(positions=positions))
        if self._compiled is not None:
            return self._compiled(inputs, tuple(outputs))
        return {name: value.detach() for name, value in self.model.compute(inputs, outputs).items()}

    def _check(self, structures: Structures, outputs: Sequence[str]) -> None:
        self.model.check_outputs(outputs, structures)
        key = (structures.numbers, structures.adsorbate, *(getattr(structures, name) for name in STATED))
        if self._checked is not None and all(new is old for new, old in zip(key, self._checked, strict=True)):
            return
        self.model.check_structures(structures, refuse=True)
        self._static = None  # the pair list does not change with elements or charges, but the inputs do
        self._checked = key
