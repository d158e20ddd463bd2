"""A wrapper that makes any representation depend on the electric field."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from atnn.so3 import solid_harmonics
from atnn.structures import HIGHEST, Edges, Elements, Features, Structures

# Spread of the new invariants in a field of 1 V/Angstrom, relative to the largest spread of the invariants: linear and
# quadratic ones. With these, atomic dipoles and polarizabilities start at the size that they have in molecules.
LINEAR, QUADRATIC = 0.1, 0.02


class InField(nn.Module):
    """Appends invariants of the electric field F and the tensors of each atom to its invariants.

        invariants_i <- [ invariants_i, u_1 F.v_i^k, u_2 sum_m S_2m(F) T_i^{mk}, u_3 F^2 ]

    v and T are the features of degree 1 and 2, and S the solid harmonics. All quantities computed from the invariants
    then depend on F: smoothly, because every new invariant is a polynomial of F; without a preferred direction, because
    F turns with the tensors; and not at all on a field of zero. The network multiplies F^2 by any function of the other
    invariants, so isolated atoms and planar molecules respond in all directions, too.

    A representation that lacks tensors of degree 2 gets those of :class:`Directed` first. The constants u scale the new
    invariants by the size of the tensors in the training data, whether or not these state a field.

    Args:
        representation: A representation with features of degree 1 and 2.
    """

    unit: Tensor

    def __init__(self, representation: Any):
        super().__init__()
        self.representation, self.cutoff = representation, representation.cutoff
        self.local = getattr(representation, "local", True)
        scalars, *others = representation.channels
        self.channels = (scalars + others[0] + others[1] + 1, *others)
        self.register_buffer("unit", torch.tensor([LINEAR, QUADRATIC, QUADRATIC]))
        self.calibrating = False

    def forward(self, structures: Structures, edges: Edges, elements: Elements, degree: int = HIGHEST) -> Features:
        """Return the features of the representation with the invariants of the field appended."""
        features = self.representation(structures, edges, elements, max(degree, 2))
        tensors = features.nodes[1:3]
        if self.calibrating:
            self._calibrate(features.nodes[0], tensors)
        field = structures.applied_field
        harmonics = solid_harmonics(field, torch.ones_like(field[:, 0]), 2)[1:]
        vectors, squares = (part.index_select(0, structures.batch)[:, :, None] for part in harmonics)
        appended = [
            self.unit[0] * (vectors * tensors[0]).sum(1),
            self.unit[1] * (squares * tensors[1]).sum(1),
            self.unit[2] * (vectors * vectors).sum(1),
        ]
        return features.append(torch.cat(appended, dim=1))

    @torch.no_grad()
    def _calibrate(self, invariants: Tensor, tensors: tuple[Tensor, ...]) -> None:
        largest = invariants.squeeze(1).std(0, correction=0).max()
        largest = torch.where(largest > 0, largest, 1.0)
        for place, (share, tensor) in enumerate(zip((LINEAR, QUADRATIC), tensors, strict=True)):
            size = tensor.square().mean().sqrt()
            self.unit[place] = torch.where(size > 0, share * largest / size, share)
        self.unit[2] = QUADRATIC * largest
