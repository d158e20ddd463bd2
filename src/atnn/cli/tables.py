"""Tables that several commands print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table

from atnn.errors import DataError
from atnn.quantities import quantity
from atnn.reports.spelling import PER_ATOM, spell
from atnn.units import typeset

if TYPE_CHECKING:
    from atnn.observables import Minima, NormalModes
    from atnn.training import Errors


def show(item: RenderableType) -> None:
    """Print a table."""
    Console(soft_wrap=True).print(item)


def tabulate_errors(errors: Errors, title: str) -> Table:
    """Tabulate the errors of each quantity in display units."""
    table = Table("quantity", "RMSE", "MAE", "largest", "unit", "values", title=escape(title))
    for name, error in errors.items():
        spelling = spell(name)
        values = (f"{value * spelling.error_factor:.3g}" for value in (error.rmse, error.mae, error.maximum))
        table.add_row(escape(spelling.words), *values, escape(spelling.error_unit), str(error.predicted.size))
    return table


def list_errors(errors: Errors) -> dict[str, dict[str, Any]]:
    """List the errors of each quantity in the package's units, as ``--json`` prints them."""
    return {
        name: {
            "rmse": error.rmse,
            "mae": error.mae,
            "maximum": error.maximum,
            "values": error.predicted.size,
            "unit": quantity(name.removesuffix(PER_ATOM)).unit + ("/atom" if name.endswith(PER_ATOM) else ""),
        }
        for name, error in errors.items()
    }


def tabulate_modes(modes: NormalModes) -> Table:
    """Tabulate harmonic frequencies and, if the model gives dipoles, intensities."""
    columns = ("mode", f"frequency [{typeset('cm^-1')}]", "intensity [km/mol]")
    table = Table(*map(escape, columns), title="Harmonic vibrations")  # unescaped, rich takes [km/mol] for markup
    for index, frequency in enumerate(modes.frequencies):
        intensity = "" if modes.intensities is None else f"{modes.intensities[index]:.1f}"
        table.add_row(str(index + 1), f"{frequency:.1f}", intensity)
    return table


def tabulate_minima(minima: Minima, title: str) -> Table:
    """Tabulate energies before and after relaxation, and the largest forces that are left."""
    ev, per = typeset("eV"), typeset("eV/Angstrom")
    columns = ("structure", f"energy before [{ev}]", f"after [{ev}]", f"largest force left [{per}]")
    table = Table(*map(escape, columns), title=escape(title))
    after = () if minima.labelled is None else minima.labelled.labels["energy"].tolist()
    for index, first, last, force in zip(minima.indices, minima.before, after, minima.largest_forces, strict=True):
        table.add_row(str(index), f"{first:.6f}", f"{last:.6f}", f"{force:.2g}")
    return table


def check_output(output: Path, *inputs: Path) -> None:
    """Check before a long run that its result can be written and replaces nothing that it reads.

    Raises:
        DataError: The folder does not exist, or a file to write is a folder or one of the inputs.
    """
    if not output.absolute().parent.is_dir():
        raise DataError("the folder does not exist", where=str(output), remedy="make it, or choose another --output")
    check_replaced(output, *inputs)


def check_replaced(output: Path, *inputs: Path) -> None:
    """Check that a file to write replaces nothing that the command reads.

    Raises:
        DataError: It is a folder or one of the inputs.
    """
    if output.is_dir():
        raise DataError("is a folder", where=str(output), remedy="give the name of a file")
    if any(output.resolve() == path.resolve() for path in inputs):
        raise DataError("is also read by this command", where=str(output), remedy="choose another --output")
