"""Partial charges of the atoms."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from atnn.functions.charges import conserve_charges
from atnn.parts import ChargesSpecification, Design, Part, Scene, Statistics, Values


class RawCharges(Part):
    """A network gives one number per atom, from which the source of charges computes charges.

    Args:
        design: Elements and sizes. If the source treats the numbers as charges, they start from the mean charge of each
            element.
    """

    gives = frozenset({"raw_charges"})
    degree = 0

    def __init__(self, design: Design):
        super().__init__()
        self.numbers, self.starts_from = design.species.numbers, design.source.starts_from
        self.network = design.network(1, scale=0.1)

    def start(self, statistics: Statistics, scene: Scene, values: Values) -> None:
        """Start the network from the mean label of each element."""
        self.network.start_from_means(statistics.means.get(self.starts_from), self.numbers)

    def forward(self, scene: Scene, values: Values) -> dict[str, Tensor]:
        """``raw_charges`` [atoms]."""
        return {"raw_charges": self.network(scene.features.nodes[0].squeeze(1), scene.elements).squeeze(1)}


class NetworkChargesSpecification(ChargesSpecification):
    """Charges from a network, shifted evenly within a structure to its total charge."""

    starts_from: ClassVar[str] = "charges"
    name: Literal["network"] = "network"

    def parts(self, design: Design) -> dict[str, Part]:
        """The source."""
        return {self.name: NetworkCharges()}


class NetworkCharges(Part):
    """Shifts the raw charges so that they sum to the total charge exactly, see :func:`conserve_charges`."""

    needs = frozenset({"raw_charges"})
    gives = frozenset({"charges"})
    conditions = frozenset({"charge"})

    def forward(self, scene: Scene, values: Values) -> dict[str, Tensor]:
        """``charges`` [atoms] in e."""
        structures = scene.structures
        return {"charges": conserve_charges(values["raw_charges"], structures.total_charge, structures.batch)}


def make_charges(design: Design) -> dict[str, Part]:
    """Build the parts of the output ``charges``."""
    return {"charges": RawCharges(design), **design.source.parts(design)}
