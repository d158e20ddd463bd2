"""The part common to the specifications of all representations."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

from torch import nn

from atnn.functions import Species
from atnn.specification import Specification


class RepresentationSpecification(Specification):
    """Settings of a representation.

    Attributes:
        conditions: Names of :data:`atnn.stated.STATED` that the representation itself uses as input. The other
            conditions of a model are appended to the invariants, by :class:`Conditioned` and :class:`InField`.
    """

    conditions: ClassVar[tuple[str, ...]] = ()

    @property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers that the settings are limited to; none if they serve all elements."""
        return ()

    def build(self, species: Species, conditions: Collection[str] = ()) -> nn.Module:
        """Build the representation, a module that maps structures, edges, elements and a degree to features.

        The module has the attributes ``cutoff`` [Angstrom] and ``channels``, the number of channels of each degree.
        Features above the degree it is called with are not read and may be omitted.

        Args:
            species: The elements, and whether they share networks and parameters.
            conditions: Conditions of the model that are among the representation's own ``conditions``.
        """
        raise NotImplementedError
