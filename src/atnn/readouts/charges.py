"""Partial charges of the atoms."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from atnn.functions.charges import conserve_charges
from atnn.parts import ChargesSpecification, Design, Part, Scene, Statistics, Values


class RawCharges(Part):
    """One number for each atom, a network of its invariants, from which a source makes charges.

    Args:
        design: Elements and sizes; if the source takes the numbers for charges, they start from the mean charges of
            the elements.
    """

    gives = frozenset({"raw_charges"})
    degree = 0

    def __init__(self, design: Design):
        super().__init__()
        self.numbers, self.starts_from = design.species.numbers, design.source.starts_from
        self.network = design.network(1, scale=0.1)

    def start(self, statistics: Statistics, scene: Scene, values: Values) -> None:
        """Let the network start from the mean of the labels of each element."""
        self.network.start_from_means(statistics.means.get(self.starts_from), self.numbers)

    def forward(self, scene: Scene, values: Values) -> dict[str, Tensor]:
        """``raw_charges`` [atoms]."""
        return {"raw_charges": self.network(scene.features.nodes[0].squeeze(1), scene.elements).squeeze(1)}


class NetworkChargesSpecification(ChargesSpecification):
    """What a network says of each atom, shifted evenly within a structure to its total charge."""

    starts_from: ClassVar[str] = "charges"
    name: Literal["network"] = "network"

    def parts(self, design: Design) -> dict[str, Part]:
        """The source."""
        return {self.name: NetworkCharges()}


class NetworkCharges(Part):
    """The numbers of a network, shifted so that they sum to the total charge exactly: see :func:`conserve_charges`."""

    needs = frozenset({"raw_charges"})
    gives = frozenset({"charges"})
    conditions = frozenset({"charge"})

    def forward(self, scene: Scene, values: Values) -> dict[str, Tensor]:
        """``charges`` [atoms] in e."""
        structures = scene.structures
        return {"charges": conserve_charges(values["raw_charges"], structures.total_charge, structures.batch)}


def make_charges(design: Design) -> dict[str, Part]:
    """Parts of the output ``charges``."""
    return {"charges": RawCharges(design), **design.source.parts(design)}
