"""Hidden charges, of which only the energy between them is known."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from atnn.functions import ElementNetwork, Species
from atnn.structures import Edges, Elements, Features, Structures

START = 0.3  # e, the largest of the charges at the start


class LatentChargesReadout(nn.Module):
    """Several charges of each atom by a network of its invariants, whatever they sum to.

    Args:
        channels: Channels of the features of each degree.
        species: The elements, and whether they share the network.
        hidden: Layer widths of one residual block.
        blocks: Residual blocks.
        kinds: Charges of each atom.
    """

    outputs = ("latent_charges",)

    def __init__(self, channels: Sequence[int], species: Species, hidden: Sequence[int], blocks: int, kinds: int):
        super().__init__()
        self.network = ElementNetwork(species, channels[0], hidden, kinds, blocks, output_scale=0.1)
        # Their energy is quadratic in the charges: near zero, or near one charge for all, it would hardly change.
        count = len(species.numbers)
        even = torch.linspace(-START, START, count)
        self.network.start_from(torch.stack([even[torch.randperm(count)] for _ in range(kinds)], dim=1))

    def forward(
        self, structures: Structures, edges: Edges, elements: Elements, features: Features
    ) -> dict[str, Tensor]:
        """``latent_charges`` [atoms, kinds] in e."""
        return {"latent_charges": self.network(features.nodes[0].squeeze(1), elements)}
