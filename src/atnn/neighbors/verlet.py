"""Verlet list: pairs found with a skin remain valid until an atom has moved by half the skin.

L. Verlet, Phys. Rev. 159, 98 (1967), doi:10.1103/PhysRev.159.98.
"""

from __future__ import annotations

import torch

from atnn.neighbors.pairs import neighbor_pairs
from atnn.structures import Neighbors, Structures


class VerletList:
    """Neighbors within ``cutoff + skin``, rebuilt only when needed.

    Representations vanish at their cutoff, so pairs within the skin contribute nothing.

    Args:
        cutoff: Distance up to which the list is complete [Angstrom].
        skin: Extra distance [Angstrom]; zero rebuilds the list at every call.
    """

    def __init__(self, cutoff: float, skin: float):
        self.cutoff, self.skin = cutoff, skin
        self.builds = 0
        self._last: Structures | None = None
        self._neighbors: Neighbors | None = None

    def __call__(self, structures: Structures) -> Neighbors:
        """Return pairs that include all those within the cutoff."""
        if self._last is None or self._neighbors is None or self._outdated(structures, self._last):
            self._neighbors = neighbor_pairs(structures, self.cutoff + self.skin)
            self._last = structures.replace(positions=structures.positions.detach().clone())
            self.builds += 1
        return self._neighbors

    def forget(self) -> None:
        """Rebuild the list at the next call, even if no atom has moved."""
        self._last = self._neighbors = None

    def _outdated(self, new: Structures, old: Structures) -> bool:
        if self.skin <= 0 or new.positions.shape != old.positions.shape:
            return True
        if new.positions.device != old.positions.device or new.positions.dtype != old.positions.dtype:
            return True
        same = (new.batch is old.batch or torch.equal(new.batch, old.batch)) and (
            new.pbc is old.pbc or torch.equal(new.pbc, old.pbc)
        )
        if not (same and (new.cell is old.cell or torch.equal(new.cell, old.cell))):
            return True
        moved = (new.positions - old.positions).square().sum(1).max()
        return bool(moved >= (0.5 * self.skin) ** 2) or not bool(torch.isfinite(moved))
