"""Several potentials as one, for instance a surface of energies and another one of properties."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from atnn.errors import SpecificationError
from atnn.model.potential import Potential
from atnn.structures import Structures


class Composed:
    """Several potentials as one; each quantity is that of the first that gives it.

    Args:
        potentials: The potentials.

    Example:
        Composed(ModelPotential(surface), ModelPotential(polarizabilities))
    """

    def __init__(self, *potentials: Potential):
        self.potentials = potentials
        self.outputs = frozenset[str]().union(*(potential.outputs for potential in potentials))

    def __call__(self, structures: Structures, outputs: Sequence[str]) -> dict[str, Tensor]:
        """Compute the requested quantities; a potential of which none is asked is not called.

        Raises:
            SpecificationError: No potential gives a quantity.
        """
        missing = [name for name in outputs if name not in self.outputs]
        if missing:
            raise SpecificationError(
                f"no potential gives {', '.join(missing)}", remedy=f"choose from: {', '.join(sorted(self.outputs))}"
            )
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
