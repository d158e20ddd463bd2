"""A labeller driven as a potential."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from atnn.errors import LabellingError
from atnn.labelling.execution import label
from atnn.labelling.protocol import Labeller
from atnn.structures import Structures


class LabellerPotential:
    """The reference method itself in dynamics and observables; nothing is calculated twice.

    Args:
        labeller: The method.
        path: Label store for its results.
        outputs: Quantities that it gives for the structures in question.
        workers: Processes for batches; a single structure is calculated in this one.
    """

    def __init__(
        self,
        labeller: Labeller,
        path: str | Path,
        outputs: Sequence[str] = ("energy", "forces", "dipole", "charges"),
        workers: int = 2,
    ):
        self.labeller, self.path, self.workers = labeller, path, workers
        self.outputs = frozenset(outputs)

    def forget(self) -> None:
        """Nothing to drop: labels depend on nothing but the structures."""

    def __call__(self, structures: Structures, outputs: Sequence[str]) -> dict[str, Tensor]:
        """Asked quantities of every structure, [structures, ...] or [atoms, ...].

        Raises:
            LabellingError: A calculation failed, or the method does not give an asked quantity.
        """
        result = label(structures, self.labeller, self.path, self.workers if len(structures) > 1 else 0)
        if result.labelled is None or result.failures:
            failure = result.failures[0]
            raise LabellingError(f"the labeller failed: {failure.reason}", where=f"structure {failure.structure}")
        missing = [
            name for name in outputs if not bool(result.labelled.masks.get(name, structures.pbc.new_zeros(1)).all())
        ]
        if missing:
            raise LabellingError(
                f"the labeller gives no {', '.join(missing)}",
                remedy=f"for these structures it gives {', '.join(sorted(result.labelled.labels))}",
            )
        return {name: result.labelled.labels[name].to(structures.positions) for name in outputs}
