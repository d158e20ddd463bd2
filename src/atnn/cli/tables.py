"""Tables that several commands print."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.table import Table

from atnn.quantities import QUANTITIES

if TYPE_CHECKING:
    from atnn.observables import NormalModes
    from atnn.training import Errors


def show(item: RenderableType) -> None:
    """Print a table."""
    Console(soft_wrap=True).print(item)


def errors_table(errors: Errors, title: str) -> Table:
    """Errors of each quantity in the units for people."""
    table = Table("quantity", "RMSE", "MAE", "largest", "unit", "values", title=title)
    for name, error in errors.items():
        quantity = QUANTITIES[name.removesuffix("_per_atom")]
        unit = quantity.display_unit + ("/atom" if name.endswith("_per_atom") else "")
        values = (f"{value * quantity.display_factor:.3g}" for value in (error.rmse, error.mae, error.maximum))
        table.add_row(name.replace("_", " "), *values, unit, str(error.predicted.size))
    return table


def modes_table(modes: NormalModes) -> Table:
    """Harmonic frequencies and, where the model gives dipoles, intensities."""
    table = Table("mode", "frequency [cm^-1]", "intensity [km/mol]", title="Harmonic vibrations")
    for index, frequency in enumerate(modes.frequencies):
        intensity = "" if modes.intensities is None else f"{modes.intensities[index]:.1f}"
        table.add_row(str(index + 1), f"{frequency:.1f}", intensity)
    return table
