"""A wrapper that makes any representation depend on the total charge and the number of unpaired electrons."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from atnn.functions import ElementNetwork, Species
from atnn.representations.electrons import Electrons
from atnn.structures import HIGHEST, Edges, Elements, Features, Structures

WIDTH = 16  # features in the embedding of the charge and in that of the spin


class Conditioned(nn.Module):
    """Appends an embedding of each atom's share of the charge, the unpaired electrons, or both to its invariants.

        x_i = NN_{z_i}(invariants_i),   e_i(psi) = shares of psi = Q or S, :class:`ElectronicEmbedding` of x
        invariants_i <- [ invariants_i, u e_i ]

    All quantities computed from the invariants then depend on Q or S. Shares are normalised over the structure, so the
    energies of distant fragments do not add for charged or open-shell structures. In neutral singlets e is zero and
    has no effect. The constant u scales e to the size of the largest invariants in the training data; a much smaller e
    would be learned late. Appending the sum of the neighbors' e as well did not lower errors (acetamide and C10 chains
    in several charge states), because the invariants already describe the neighbors.

    Args:
        representation: The representation.
        conditions: ``charge``, ``spin`` or both.
        species: The elements, and whether they share networks.
    """

    unit: Tensor

    def __init__(self, representation: Any, conditions: Collection[str], species: Species):
        super().__init__()
        self.representation, self.cutoff = representation, representation.cutoff
        self.local = getattr(representation, "local", True)
        scalars, *others = representation.channels
        self.queries = ElementNetwork(species, scalars, (WIDTH,), WIDTH)
        self.electrons = Electrons(conditions, WIDTH)
        self.channels = (scalars + len(conditions) * WIDTH, *others)
        self.register_buffer("unit", torch.ones(len(conditions)))

    def forward(self, structures: Structures, edges: Edges, elements: Elements, degree: int = HIGHEST) -> Features:
        """Return the features of the representation with the embeddings appended to the invariants."""
        features = self.representation(structures, edges, elements, degree)
        embeddings = self.electrons(self.queries(features.nodes[0].squeeze(1), elements), structures)
        if self.queries.calibrating:
            self._calibrate(embeddings)
        return features.append(torch.cat([*(self.unit[:, None, None] * embeddings)], dim=1))

    def _calibrate(self, embeddings: Float[Tensor, "conditions atoms channels"]) -> None:
        squares = embeddings.square().mean(2)
        reached = (squares > 0).sum(1)  # number of atoms in charged or open-shell structures
        size = torch.sqrt(squares.sum(1) / reached)
        self.unit.copy_(torch.where(reached > 0, self.queries.spread.max() / size, self.unit))
