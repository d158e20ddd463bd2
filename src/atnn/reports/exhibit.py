"""What a report shows: key numbers, and sections of figures with their tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import plotly.graph_objects as go


class Table(NamedTuple):
    """Numbers as people read them; text columns are left-aligned, numbers right-aligned.

    Attributes:
        columns: Headings, with units.
        rows: One value per column: text, numbers (shown to four significant digits) or None (shown as a dash).
        caption: What the table shows, in plain language.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str = ""


class Motion(NamedTuple):
    """A vibration to choose in a moving picture: its name, and the amplitudes of all coordinates [Angstrom]."""

    label: str
    moves: list[float]


class View3D(NamedTuple):
    """A moving picture of atoms, as the page's viewer takes it: see :func:`atnn.reports.trajectory_view`.

    Attributes:
        xyz: Frames.
        times: Time of each [fs].
        lattice: Lattice vectors as rows, or nothing.
        elements: Symbol -> color.
        label: What is seen, for those who cannot see.
        motions: Vibrations of a single frame to choose from.
    """

    xyz: str
    times: list[float]
    lattice: list[list[float]]
    elements: dict[str, str]
    label: str
    motions: Sequence[Motion] = ()


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
