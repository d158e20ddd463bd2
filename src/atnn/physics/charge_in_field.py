"""The energy of a total charge in a uniform electric field."""

from __future__ import annotations

import torch
from torch import Tensor

from atnn.parts import Part, Scene, Values


class ChargeInField(Part):
    """``E = -Q F . R`` with the center of the nuclear charges, ``R = sum_i Z_i r_i / sum_i Z_i``.

    The potential of the field is zero at the origin of the coordinates, as in quantum chemistry programs that are not
    told otherwise. An energy made of features depends on relative positions only, so without this term no force Q F
    would move the center of an ion, and its dipole ``-dE/dF`` would not change with the origin by Q times the shift.
    With another center the difference, Q F times the distance of the centers, is one of those that features describe.

    The term is left out of structures that are periodic in any direction, where R has no meaning. It has no parameters.
    """

    gives = frozenset({"energy"})
    conditions = frozenset({"charge", "field"})

    def forward(self, scene: Scene, values: Values) -> dict[str, Tensor]:
        """``energy`` [structures] in eV, zero without a charge or without a field."""
        structures = scene.structures
        nuclei = structures.numbers.double()
        moments = scene.sum_structures(nuclei[:, None] * structures.positions.double())
        center = moments / scene.sum_structures(nuclei)[:, None] + scene.origins.double()
        charge = torch.where(structures.pbc.any(1), 0.0, structures.total_charge.double())
        return {"energy": -charge * (structures.applied_field.double() * center).sum(1)}
