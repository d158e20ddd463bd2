"""Dipole moments from partial charges and atomic dipoles."""

from __future__ import annotations

import torch
from torch import Tensor

from atnn.parts import Design, Part, Scene, Statistics, Values


class AtomicDipoles(Part):
    """Vectors of the representation, weighted by networks of the invariants: ``mu_i = sum_k u_k(invariants_i) v_i^k``.

    The same network gives the number from which a source makes the charge of the atom. The vectors v vanish smoothly
    at the cutoff.

    Args:
        design: Elements and sizes.
    """

    gives = frozenset({"raw_charges", "atomic_dipoles"})
    degree = 1

    def __init__(self, design: Design):
        super().__init__()
        self.numbers, self.starts_from = design.species.numbers, design.source.starts_from
        self.network = design.network(1 + design.width(1), scale=0.1)

    def start(self, statistics: Statistics, scene: Scene, values: Values) -> None:
        """Let the charges start from the mean of the labels of each element."""
        self.network.start_from_means(statistics.means.get(self.starts_from), self.numbers)

    def forward(self, scene: Scene, values: Values) -> dict[str, Tensor]:
        """``raw_charges`` [atoms] and ``atomic_dipoles`` [atoms, 3] in e Angstrom."""
        weights = self.network(scene.features.nodes[0].squeeze(1), scene.elements)
        dipoles = (scene.features.nodes[1] * weights[:, None, 1:]).sum(2)
        return {"raw_charges": weights[:, 0], "atomic_dipoles": dipoles}


class DipoleSum(Part):
    """``mu = sum_i q_i r_i + sum_i mu_i``, of each structure.

    Charges sum to the total charge exactly, so the dipole of a neutral structure does not depend on the origin, and
    that of an ion shifts by Q times the origin's shift, as quantum chemistry's does. The charge term has no meaning in
    a periodic cell, where r_i is defined only up to a lattice vector: there only the atomic dipoles contribute, and the
    result is the polarisation of the cell up to its quantum.
    """

    needs = frozenset({"charges", "atomic_dipoles"})
    gives = frozenset({"dipole"})

    def forward(self, scene: Scene, values: Values) -> dict[str, Tensor]:
        """``dipole`` [structures, 3] in e Angstrom."""
        structures, charges = scene.structures, values["charges"]
        isolated = ~structures.pbc.any(1)[structures.batch]
        moments = values["atomic_dipoles"] + torch.where(isolated, charges, 0.0)[:, None] * structures.positions
        return {"dipole": scene.sum_structures(moments)}


def make_dipole(design: Design) -> dict[str, Part]:
    """Parts of the output ``dipole``, which gives charges and atomic dipoles, too."""
    return {"dipole": AtomicDipoles(design), **design.source.parts(design), "dipole_sum": DipoleSum()}
