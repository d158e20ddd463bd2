"""What a report shows: key numbers, and sections of figures with their tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import plotly.graph_objects as go


class Table(NamedTuple):
    """Numbers as people read them; text columns are left-aligned, numbers right-aligned.

    Attributes:
        columns: Headings, with units.
        rows: One value per column: text, numbers (shown to four digits) or None (shown as a dash).
        caption: What the table shows, in plain language.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str = ""


class View3D(NamedTuple):
    """A moving picture of atoms, as the page's viewer takes it: see :func:`atnn.reports.trajectory_view`."""

    xyz: str
    times: list[float]
    lattice: list[list[float]]
    elements: dict[str, str]
    label: str


class Exhibit(NamedTuple):
    """A figure or 3D view, the table behind it, and a caption in plain language."""

    figure: go.Figure | None = None
    table: Table | None = None
    caption: str = ""
    view: View3D | None = None


class Section(NamedTuple):
    """One section of a report: its title, a paragraph of plain text, and what it shows."""

    title: str
    text: str
    exhibits: tuple[Exhibit, ...]


@dataclass(frozen=True, slots=True)
class KeyNumber:
    """One number at the top of a report.

    Attributes:
        name: What it is.
        value: The number.
        unit: Its unit, as people read it.
        target: Limit that it should keep, or None.
        better: Whether ``lower`` or ``higher`` than the target is a pass.
    """

    name: str
    value: float
    unit: str = ""
    target: float | None = None
    better: Literal["lower", "higher"] = "lower"

    @property
    def passed(self) -> bool | None:
        """Whether the target is kept (None without one); a value that is not a number never passes."""
        if self.target is None:
            return None
        return self.value <= self.target if self.better == "lower" else self.value >= self.target


def format_value(value: object) -> str:
    """A value as people read it.

    >>> format_value(0.0000123456), format_value(1234567), format_value(None), format_value(12.0)
    ('1.235e-05', '1,234,567', '–', '12.00')
    """
    if value is None:
        return "–"
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        return str(value)
    number = float(value)
    if not math.isfinite(number):
        return "not a number" if math.isnan(number) else str(number)
    if number == int(number) and (isinstance(value, int) or "int" in type(value).__name__):
        return f"{int(number):,}"
    size = abs(number)
    if 1e-4 <= size < 1e-3:
        return f"{number:.5f}"
    if size and not 1e-3 <= size < 1e6:
        return f"{number:.3e}"
    decimals = 0 if size >= 1e4 else 1 if size >= 100 else 2 if size >= 10 or size == 0 else 3
    return f"{number:,.{decimals}f}"
