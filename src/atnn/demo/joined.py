"""A potential whose energies come from one model and whose properties come from others."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from atnn.model import Potential
from atnn.structures import Structures


class Joined:
    """Several potentials as one; each quantity is that of the first that gives it.

    Args:
        potentials: The potentials.
    """

    def __init__(self, *potentials: Potential):
        self.potentials = potentials
        self.outputs = frozenset[str]().union(*(potential.outputs for potential in potentials))

    def __call__(self, structures: Structures, outputs: Sequence[str]) -> dict[str, Tensor]:
        """Compute the requested quantities; a potential of which none is asked is not called."""
        results: dict[str, Tensor] = {}
        for potential in self.potentials:
            asked = [name for name in outputs if name in potential.outputs and name not in results]
            if asked:
                results |= potential(structures, asked)
        return results

    def forget(self) -> None:
        """Drop everything that the potentials keep of earlier calls."""
        for potential in self.potentials:
            potential.forget()
