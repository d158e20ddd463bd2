"""The progress bar of a run; it is hidden unless the output is a terminal."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from atnn.quantities import QUANTITIES
from atnn.units import typeset


class Progress:
    """Shows finished epochs, validation errors and the remaining time.

    Args:
        epochs: Number of epochs of the whole run.
        done: Number of epochs that were finished before.
        visible: Whether this process shows anything.
    """

    def __init__(self, epochs: int, done: int, visible: bool):
        columns = [TextColumn("epoch"), MofNCompleteColumn(), BarColumn(), TimeRemainingColumn()]
        self._bar = Bar(*columns, TextColumn("{task.fields[errors]}"), console=Console(file=sys.stderr))
        self._bar.disable = not (visible and sys.stderr.isatty())
        self._task = self._bar.add_task("training", total=epochs, completed=done, errors="")

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def advance(self) -> None:
        """Count one more epoch."""
        self._bar.advance(self._task)

    def show(self, row: dict[str, float]) -> None:
        """Show the errors of a validation in display units."""
        parts = []
        for name, value in row.items():
            quantity = QUANTITIES.get(name.removeprefix("validation_").removesuffix("_per_atom"))
            if name.startswith("validation_") and quantity is not None:
                per = "/atom" if name.endswith("_per_atom") else ""
                shown = value * quantity.display_factor
                parts.append(f"{quantity.name} {shown:.3g} {typeset(quantity.display_unit)}{per}")
        self._bar.update(self._task, errors=", ".join(parts))
