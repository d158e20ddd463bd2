"""Partial charges of the atoms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from atnn.functions import ElementNetwork, Species
from atnn.functions.charges import conserved
from atnn.specification import Specification
from atnn.structures import Edges, Elements, Features, Structures


class NetworkChargesSpecification(Specification):
    """What a network says of each atom, shifted evenly within a structure to its total charge."""

    name: Literal["network"] = "network"


class NetworkCharges(nn.Module):
    """The numbers of a network, shifted so that they sum to the total charge exactly: see :func:`conserved`.

    Args:
        specification: Has no settings.
        species: Not used.
    """

    def __init__(self, specification: NetworkChargesSpecification, species: Species):
        super().__init__()

    def forward(
        self, raw: Float[Tensor, " atoms"], structures: Structures, elements: Elements
    ) -> Float[Tensor, " atoms"]:
        """Charges [e]."""
        return conserved(raw, structures.total_charge, structures.batch)


class ChargesReadout(nn.Module):
    """Charges that follow from one number for each atom, a network of its invariants.

    Args:
        channels: Channels of the features of each degree.
        species: The elements, and whether they share the network.
        hidden: Layer widths of one residual block.
        blocks: Residual blocks.
        source: How charges that sum to the total charge come from these numbers.
    """

    outputs = ("charges",)

    def __init__(
        self, channels: Sequence[int], species: Species, hidden: Sequence[int], blocks: int, source: nn.Module
    ):
        super().__init__()
        self.network = ElementNetwork(species, channels[0], hidden, 1, blocks, output_scale=0.1)
        self.source = source

    def forward(
        self, structures: Structures, edges: Edges, elements: Elements, features: Features
    ) -> dict[str, Tensor]:
        """``charges`` [atoms] in e."""
        raw = self.network(features.nodes[0].squeeze(1), elements).squeeze(1)
        return {"charges": self.source(raw, structures, elements)}
