"""Partial charges of the atoms."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from atnn.functions import ElementNetwork, Species
from atnn.functions.charges import conserved
from atnn.structures import Edges, Elements, Features, Structures


class ChargesReadout(nn.Module):
    """Charges by a network of the invariants, shifted so that they sum to the total charge exactly.

    Args:
        channels: Channels of the features of each degree.
        species: The elements, and whether they share the network.
        hidden: Layer widths of one residual block.
        blocks: Residual blocks.
    """

    outputs = ("charges",)

    def __init__(self, channels: Sequence[int], species: Species, hidden: Sequence[int], blocks: int):
        super().__init__()
        self.network = ElementNetwork(species, channels[0], hidden, 1, blocks, output_scale=0.1)

    def forward(
        self, structures: Structures, edges: Edges, elements: Elements, features: Features
    ) -> dict[str, Tensor]:
        """``charges`` [atoms] in e."""
        raw = self.network(features.nodes[0].squeeze(1), elements).squeeze(1)
        return {"charges": conserved(raw, structures.total_charge, structures.batch)}
