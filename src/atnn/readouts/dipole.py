"""Dipole moments from partial charges and atomic dipoles."""

from __future__ import annotations

import torch
from torch import Tensor

from atnn.parts import Design, Part, Scene, Statistics, Values


class AtomicDipoles(Part):
    """Atomic dipoles ``mu_i = sum_k u_k(invariants_i) v_i^k`` from vectors v of the representation and a network u.

    The same network gives the raw charge of the atom. The vectors v vanish smoothly at the cutoff.

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
        """Start the charges from the mean label of each element."""
        self.network.start_from_means(statistics.means.get(self.starts_from), self.numbers)

    def forward(self, scene: Scene, values: Values) -> dict[str, Tensor]:
        """``raw_charges`` [atoms] and ``atomic_dipoles`` [atoms, 3] in e Angstrom."""
        weights = self.network(scene.features.nodes[0].squeeze(1), scene.elements)
        dipoles = (scene.features.nodes[1] * weights[:, None, 1:]).sum(2)
        return {"raw_charges": weights[:, 0], "atomic_dipoles": dipoles}


class DipoleSum(Part):
    """Dipole of each structure, ``mu = sum_i q_i r_i + sum_i mu_i``.

    The charges sum to the total charge Q exactly. The dipole of a neutral structure therefore does not depend on the
    origin, and that of an ion changes by Q times the shift, as in quantum chemistry. Positions in a scene are relative
    to an origin of the structure, whose product with Q is added. In a periodic cell r_i is defined only up to a lattice
    vector, so the charge term has no meaning there. Only the atomic dipoles contribute, and the result is the
    polarisation of the cell up to its quantum.
    """

    needs = frozenset({"charges", "atomic_dipoles"})
    gives = frozenset({"dipole"})

    def forward(self, scene: Scene, values: Values) -> dict[str, Tensor]:
        """``dipole`` [structures, 3] in e Angstrom."""
        structures, charges = scene.structures, values["charges"]
        isolated = ~structures.pbc.any(1)[structures.batch]
        moments = values["atomic_dipoles"] + torch.where(isolated, charges, 0.0)[:, None] * structures.positions
        total = torch.where(structures.pbc.any(1), 0.0, structures.total_charge)
        return {"dipole": scene.sum_structures(moments) + total[:, None] * scene.origins}


def make_dipole(design: Design) -> dict[str, Part]:
    """Build the parts of the output ``dipole``, which also gives charges and atomic dipoles."""
    return {"dipole": AtomicDipoles(design), **design.source.parts(design), "dipole_sum": DipoleSum()}
