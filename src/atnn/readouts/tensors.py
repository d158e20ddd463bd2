"""Readouts of Cartesian tensors of structures and atoms; any row of the table of rank 0, 1 or 2 can be learned."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from atnn.parts import Design, Part, Scene, Statistics, Values
from atnn.quantities import Quantity, quantity
from atnn.readouts.cartesian import CartesianTensors


class TensorReadout(Part):
    """Tensor of every atom, or of every structure as the sum over its atoms, from :class:`CartesianTensors`.

    A quantity of structures that is not extensive is the mean over the atoms.

    Args:
        design: Elements and sizes.
        row: The quantity.
    """

    def __init__(self, design: Design, row: Quantity):
        super().__init__()
        self.row, self.gives, self.degree = row, frozenset({row.name}), row.rank
        self.tensors = CartesianTensors(design, row)

    def start(self, statistics: Statistics, scene: Scene, values: Values) -> None:
        """Start from the size and the isotropic part of the labels."""
        self.tensors.start(statistics, scene)

    def forward(self, scene: Scene, values: Values) -> dict[str, Tensor]:
        """The quantity in its unit, [structures, ...] or [atoms, ...]."""
        atoms = self.tensors(scene)
        if self.row.axis == "structure":
            total = scene.sum_structures(atoms)
            if not self.row.extensive:
                total = total / _count_atoms(scene, atoms).reshape(-1, *(1,) * self.row.rank)
            return {self.row.name: total}
        return {self.row.name: atoms}


class BornCharges(Part):
    """Born effective charges from :class:`CartesianTensors`, which sum to the total charge Q of the structure:

        Z_i = Z~_i + (Q 1 - sum_j Z~_j) / N

    Args:
        design: Elements and sizes.
    """

    gives = frozenset({"born_charges"})
    conditions = frozenset({"charge"})
    degree = 2

    def __init__(self, design: Design):
        super().__init__()
        self.tensors = CartesianTensors(design, quantity("born_charges"))

    def start(self, statistics: Statistics, scene: Scene, values: Values) -> None:
        """Start from the size and the isotropic part of the labels."""
        self.tensors.start(statistics, scene)

    def forward(self, scene: Scene, values: Values) -> dict[str, Tensor]:
        """``born_charges`` [atoms, 3, 3] in e."""
        atoms = self.tensors(scene)
        # float64, because the excess is a small difference of sums over many atoms.
        wanted = scene.structures.total_charge.double()[:, None, None] * torch.eye(3).to(atoms.device).double()
        excess = (wanted - scene.sum_structures(atoms.double())) / _count_atoms(scene, atoms)[:, None, None]
        return {"born_charges": (atoms + excess.index_select(0, scene.structures.batch)).to(atoms.dtype)}


def _count_atoms(scene: Scene, atoms: Tensor) -> Float[Tensor, " structures"]:
    return scene.sum_structures(torch.ones_like(atoms.flatten(1)[:, 0] if atoms.dim() > 1 else atoms))


def make_born_charges(design: Design) -> dict[str, Part]:
    """Build the part of the output ``born_charges``."""
    return {"born_charges": BornCharges(design)}


def make_tensor(name: str) -> Callable[[Design], dict[str, Part]]:
    """Make the entry of the outputs of a model for a row of the table of rank 0, 1 or 2.

    >>> from atnn.model import OUTPUTS
    >>> OUTPUTS["polarizability"] = make_tensor("polarizability")
    """

    def build(design: Design) -> dict[str, Part]:
        return {name: TensorReadout(design, quantity(name))}

    return build
