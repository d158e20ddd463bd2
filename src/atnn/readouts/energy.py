"""Energy as a sum over atoms."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from atnn.functions import ElementNetwork, Species
from atnn.structures import Edges, Elements, Features, Structures


class EnergyReadout(nn.Module):
    """``E = scale * sum_i NN_{z_i}(invariants_i)``, summed in float64.

    Args:
        channels: Channels of the features of each degree.
        species: The elements, and whether they share the network.
        hidden: Layer widths of one residual block.
        blocks: Residual blocks.
    """

    outputs = ("energy",)

    def __init__(self, channels: Sequence[int], species: Species, hidden: Sequence[int], blocks: int):
        super().__init__()
        self.network = ElementNetwork(species, channels[0], hidden, 1, blocks)
        self.register_buffer("scale", torch.tensor(1.0))

    def start_from(self, energy: float) -> None:
        """Let the network start from this mean energy per atom [eV]."""
        self.network.start_from((energy / self.get_buffer("scale")).expand(self.network.elements, 1))

    def forward(
        self, structures: Structures, edges: Edges, elements: Elements, features: Features
    ) -> dict[str, Tensor]:
        """Interaction energies [structures] in eV, without the reference energies of the elements."""
        atomic = self.network(features.nodes[0].squeeze(1), elements).squeeze(1) * self.scale
        energy = atomic.new_zeros(structures.cell.shape[0], dtype=torch.float64)
        return {"energy": energy.index_add(0, structures.batch, atomic.double())}
