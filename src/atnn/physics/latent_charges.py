"""Latent charges, which are trained only through the energy of their interaction."""

from __future__ import annotations

import torch
from torch import Tensor

from atnn.parts import Design, Part, Scene, Values

START = 0.3  # e, largest initial charge


class LatentCharges(Part):
    """Several charges of each atom from a network of its invariants, without a constraint on their sums.

    Args:
        design: Elements and sizes.
        kinds: Number of charges of each atom.
    """

    gives = frozenset({"latent_charges"})
    degree = 0

    def __init__(self, design: Design, kinds: int):
        super().__init__()
        self.network = design.network(kinds, scale=0.1)
        # The energy is quadratic in the charges, so that its gradient nearly vanishes where all are zero or all equal.
        count = len(design.species.numbers)
        even = torch.linspace(-START, START, count)
        self.network.start_from(torch.stack([even[torch.randperm(count)] for _ in range(kinds)], dim=1))

    def forward(self, scene: Scene, values: Values) -> dict[str, Tensor]:
        """``latent_charges`` [atoms, kinds] in e."""
        return {"latent_charges": self.network(scene.features.nodes[0].squeeze(1), scene.elements)}
