"""Potentials are the one interface that dynamics, observables and active learning see."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from atnn.model.compiled import CompiledModel
from atnn.model.inputs import Inputs
from atnn.model.model import Model
from atnn.neighbors import VerletList
from atnn.structures import STATED, Neighbors, Structures


@runtime_checkable
class Potential(Protocol):
    """A potential gives energies and other quantities of structures."""

    @property
    def outputs(self) -> frozenset[str]:
        """Names of the quantities that it can give."""

    def __call__(self, structures: Structures, outputs: Sequence[str]) -> dict[str, Tensor]:
        """Compute the asked quantities, detached, in the units of the table."""

    def forget(self) -> None:
        """Drop everything kept of earlier calls. The next result then depends on its own arguments alone."""


class ModelPotential:
    """A model with its neighbor list, ready for dynamics.

    Args:
        model: The model, which stays as it is; it is copied where type or device differ.
        skin: Verlet skin [Angstrom]; the pair list is rebuilt when an atom has moved half of it.
        compile: Trace and compile the model at the first call (seconds), for many fast calls after.
        dtype: Floating-point type to compute in; the model's own by default.
        device: Where to compute; where the model is by default.
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
    def builds(self) -> int:
        """Number of times that the pair list was built."""
        return self._list.builds

    def forget(self) -> None:
        """Drop the pair list.

        The order of the pairs, and with it the last bits of a sum, depends on where a list was built;
        dynamics calls this at each checkpoint, so that a resumed run repeats the undisturbed one.
        """
        self._list.forget()
        self._static = None

    def __call__(self, structures: Structures, outputs: Sequence[str]) -> dict[str, Tensor]:
        """Compute the asked quantities, detached.

        Raises:
            DataError: Unknown elements, or a field, charges or spins that the model ignores.
            SpecificationError: An output that the model does not have.
        """
        self._check(structures, outputs)
        neighbors = self._list(structures)
        if self._static is None or self._static[0] is not neighbors:
            # Everything but the positions is prepared once per pair list. Between now and the last use of the list
            # each of two atoms may move by the skin: half of it away from where the list was built, and back.
            self._static = (neighbors, self.model.prepare(structures, neighbors, 2 * self._list.skin))
        inputs = self._static[1]
        positions = structures.positions.to(self.model.device, self.model.dtype)
        inputs = inputs._replace(structures=inputs.structures.replace(positions=positions))
        if self._compiled is not None:
            return self._compiled(inputs, tuple(outputs))
        return {name: value.detach() for name, value in self.model.compute(inputs, outputs).items()}

    def _check(self, structures: Structures, outputs: Sequence[str]) -> None:
        self.model.check_outputs(outputs, structures)
        key = (structures.numbers, *(getattr(structures, name) for name in STATED))
        if self._checked is not None and all(new is old for new, old in zip(key, self._checked, strict=True)):
            return
        self.model.check_structures(structures, refuse=True)
        self._static = None  # other elements or charges at the same positions leave the pair list as it is
        self._checked = key
