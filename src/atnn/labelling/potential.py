"""A labeller driven as a potential."""

from __future__ import annotations

import json
import weakref
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from atnn.errors import LabellingError, suggest
from atnn.labelling.execution import label_in_memory, label_with
from atnn.labelling.protocol import Labeller
from atnn.labelling.worker import Workers
from atnn.structures import Structures


class LabellerPotential:
    """The reference method itself in dynamics and observables.

    Args:
        labeller: The method.
        path: Label store for its results, so that nothing is calculated twice. Without one nothing is kept, which is
            faster where a calculation takes milliseconds and no geometry comes again.
        outputs: Quantities that it gives for the structures in question.
        workers: Processes for batches, with a store; a single structure is calculated in this one.
    """

    def __init__(
        self,
        labeller: Labeller,
        path: str | Path | None = None,
        outputs: Sequence[str] = ("energy", "forces", "dipole", "charges"),
        workers: int = 2,
    ):
        self.labeller, self.path, self.workers = labeller, path, workers
        self.outputs = frozenset(outputs)
        self._processes = Workers()  # kept from call to call, because starting one costs more than many a calculation
        weakref.finalize(self, self._processes.close)

    @property
    def identity(self) -> str:
        """The settings of the method, as JSON."""
        return json.dumps(dict(self.labeller.settings), sort_keys=True)

    def forget(self) -> None:
        """Do nothing: labels depend on nothing but the structure and the labeller's settings."""

    def __call__(self, structures: Structures, outputs: Sequence[str]) -> dict[str, Tensor]:
        """Asked quantities of every structure, [structures, ...] or [atoms, ...].

        Raises:
            LabellingError: A calculation failed, or the method does not give an asked quantity.
        """
        self._refuse([name for name in outputs if name not in self.outputs], self.outputs)
        if self.path is None:
            result = label_in_memory(structures, self.labeller)
        else:
            result = label_with(
                structures, self.labeller, self.path, self.workers if len(structures) > 1 else 0, self._processes
            )
        if result.labelled is None or result.failures:
            failure = result.failures[0]
            raise LabellingError(f"the labeller failed: {failure.reason}", where=f"structure {failure.structure}")
        given = {name for name, mask in result.labelled.masks.items() if bool(mask.all())}
        self._refuse([name for name in outputs if name not in given], given)
        return {name: result.labelled.labels[name].to(structures.positions) for name in outputs}

    def _refuse(self, missing: Sequence[str], given: frozenset[str] | set[str]) -> None:
        if missing:
            raise LabellingError(
                f"the labeller gives no {', '.join(missing)}",
                remedy="".join(suggest(name, given) for name in missing)
                + f"for these structures it gives {', '.join(sorted(given))}; `outputs` says so in advance",
            )
