"""What the specifications of all representations have in common."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

from torch import nn

from atnn.functions import Species
from atnn.specification import Specification


class RepresentationSpecification(Specification):
    """What defines a representation.

    Attributes:
        conditions: Names of :data:`atnn.structures.STATED` that the representation has a place of its own for. Other
            representations get those of the model appended to their invariants.
    """

    conditions: ClassVar[tuple[str, ...]] = ()

    def build(self, species: Species, conditions: Collection[str] = ()) -> nn.Module:
        """The representation: a module of structures, edges, elements and a degree that gives features.

        It has the attributes ``cutoff`` [Angstrom] and ``channels``, those of the features of each degree. Features
        beyond the degree that it is called with are not read, and may be left out.

        Args:
            species: The elements, and whether they share networks and parameters.
            conditions: What the model depends on, for a representation with ``conditions``.
        """
        raise NotImplementedError
