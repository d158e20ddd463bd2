"""Learning curves, as CSV and, if it is installed, for TensorBoard."""

from __future__ import annotations

import csv
import importlib.util
import io
from pathlib import Path

from atnn.documents import read_text
from atnn.errors import DataError
from atnn.files import write_atomically
from atnn.quantities import QUANTITIES
from atnn.units import typeset

Row = dict[str, float]


def write_history(folder: Path, rows: list[Row]) -> None:
    """Write all rows, one per validation, atomically to ``history.csv``."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(folder / "history.csv", text.getvalue())


def read_history(folder: Path) -> list[Row]:
    """Read the rows of ``history.csv``.

    Each row has ``epoch``, ``step``, ``seconds``, ``learning_rate``, ``metric`` and, for every quantity, its root mean
    square errors ``train_<quantity>`` and ``validation_<quantity>`` in its unit.

    Raises:
        DataError: The folder has no ``history.csv``, or a damaged one.
    """
    path = Path(folder) / "history.csv"
    if not path.is_file():
        raise DataError("no learning curves", where=str(path), remedy="give the output folder of a training run")
    try:
        rows = csv.DictReader(io.StringIO(read_text(path)), strict=True)
        return [{name: float(value) for name, value in row.items()} for row in rows]
    except (ValueError, TypeError, csv.Error) as error:
        raise DataError(
            f"damaged learning curves ({error})", where=str(path), remedy="resume the training, which writes them anew"
        ) from error


class Board:
    """Writes the TensorBoard event files of a run; does nothing if TensorBoard is not installed.

    Args:
        folder: Output folder of the run.
        start: Epoch from which a resumed run replaces earlier entries.
    """

    def __init__(self, folder: Path, start: int):
        self._writer = None
        if importlib.util.find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=start)

    def add(self, row: Row) -> None:
        """Add the values of one validation."""
        if self._writer is not None:
            for name, value in row.items():
                if name not in ("epoch", "step"):
                    self._writer.add_scalar(name, value, int(row["epoch"]))

    def close(self) -> None:
        """Flush and close the files."""
        if self._writer is not None:
            self._writer.close()


def describe_validation(row: Row) -> str:
    """Write the errors of a validation in display units, e.g. ``energy 1.2 meV/atom, forces 30 meV/Å``."""
    parts = []
    for name, value in row.items():
        quantity = QUANTITIES.get(name.removeprefix("validation_").removesuffix("_per_atom"))
        if name.startswith("validation_") and quantity is not None:
            per = "/atom" if name.endswith("_per_atom") else ""
            shown = value * quantity.display_factor
            parts.append(f"{quantity.name} {shown:.3g} {typeset(quantity.display_unit)}{per}")
    return ", ".join(parts)
