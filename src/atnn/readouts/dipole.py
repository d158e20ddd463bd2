"""Dipole moments from partial charges and atomic dipoles."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from atnn.functions import ElementNetwork, Species
from atnn.structures import Edges, Elements, Features, Structures


class DipoleReadout(nn.Module):
    """Dipole of each structure, and the charges and atomic dipoles behind it.

        mu = sum_i q_i r_i + sum_i sum_k u_k(invariants_i) v_i^k

    Charges sum to the total charge exactly (the excess is spread evenly), so the dipole of a neutral structure does
    not depend on the origin, and that of an ion shifts by Q times the origin's shift, as quantum chemistry's does. The
    vectors v of the representation vanish smoothly at the cutoff. The charge term has no meaning in a periodic
    cell, where r_i is defined only up to a lattice vector: there only the atomic dipoles contribute, and the result is
    the polarisation of the cell up to its quantum.

    Args:
        channels: Channels of the features of each degree; degree 1 must be there.
        species: The elements, and whether they share the network.
        hidden: Layer widths of one residual block.
        blocks: Residual blocks.
        source: How charges that sum to the total charge come from one number of each atom.
    """

    outputs = ("dipole", "charges", "atomic_dipoles")

    def __init__(
        self, channels: Sequence[int], species: Species, hidden: Sequence[int], blocks: int, source: nn.Module
    ):
        super().__init__()
        self.network = ElementNetwork(species, channels[0], hidden, 1 + channels[1], blocks, output_scale=0.1)
        self.source = source

    def forward(
        self, structures: Structures, edges: Edges, elements: Elements, features: Features
    ) -> dict[str, Tensor]:
        """``dipole`` [structures, 3] and ``atomic_dipoles`` [atoms, 3] in e Angstrom, ``charges`` [atoms] in e."""
        atomic = self.network(features.nodes[0].squeeze(1), elements)
        charges = self.source(atomic[:, 0], structures, elements)
        isolated = ~structures.pbc.any(1)[structures.batch]
        dipoles = (features.nodes[1] * atomic[:, None, 1:]).sum(2)
        moments = dipoles + torch.where(isolated, charges, 0.0)[:, None] * structures.positions
        total = moments.new_zeros((structures.cell.shape[0], 3)).index_add(0, structures.batch, moments)
        return {"dipole": total, "charges": charges, "atomic_dipoles": dipoles}
