"""Hidden charges, of which only the energy between them is known."""

from __future__ import annotations

import torch
from torch import Tensor

from atnn.parts import Design, Part, Scene, Values

START = 0.3  # e, the largest of the charges at the start


class LatentCharges(Part):
    """Several charges of each atom by a network of its invariants, whatever they sum to.

    Args:
        design: Elements and sizes.
        kinds: Charges of each atom.
    """

    gives = frozenset({"latent_charges"})
    degree = 0

    def __init__(self, design: Design, kinds: int):
        super().__init__()
        self.network = design.network(kinds, scale=0.1)
        # Their energy is quadratic in the charges: near zero, or near one charge for all, it would hardly change.
        count = len(design.species.numbers)
        even = torch.linspace(-START, START, count)
        self.network.start_from(torch.stack([even[torch.randperm(count)] for _ in range(kinds)], dim=1))

    def forward(self, scene: Scene, values: Values) -> dict[str, Tensor]:
        """``latent_charges`` [atoms, kinds] in e."""
        return {"latent_charges": self.network(scene.features.nodes[0].squeeze(1), scene.elements)}
