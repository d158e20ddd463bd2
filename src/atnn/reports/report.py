"""A report: key numbers and sections, written as one HTML file that loads nothing from elsewhere."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from atnn.files import write_atomically
from atnn.reports.exhibit import Exhibit, KeyNumber, Section
from atnn.reports.page import render


@dataclass
class Report:
    """Sections gathered one by one, then written.

    Example:
        >>> from atnn.reports import Report, Table, Exhibit
        >>> report = Report("Ethanol", subtitle="REANN on GFN2-xTB")
        >>> report.number("Force error (RMSE)", 21.3, "meV/Å", target=40)
        >>> report.add("Data", Exhibit(table=Table(["set", "frames"], [["training", 400]])), text="What was read.")
        >>> _ = report.write("report.html")  # doctest: +SKIP

    Attributes:
        title: Heading of the page.
        subtitle: One line below it.
        numbers: Key numbers shown as cards at the top.
        sections: In order of appearance.
        provenance: Name -> value, shown at the end (versions, seed, data hash).
    """

    title: str
    subtitle: str = ""
    numbers: list[KeyNumber] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    provenance: dict[str, object] = field(default_factory=dict)

    def number(
        self,
        name: str,
        value: float,
        unit: str = "",
        target: float | None = None,
        better: Literal["lower", "higher"] = "lower",
    ) -> None:
        """Add a key number; with a target its card says whether the target is kept."""
        self.numbers.append(KeyNumber(name, float(value), unit, target, better))

    def add(self, title: str, *exhibits: Exhibit, text: str = "") -> None:
        """Add a section of figures, tables and 3D views."""
        self.sections.append(Section(title, text, exhibits))

    def html(self) -> str:
        """The whole page as text."""
        return render(self.title, self.subtitle, self.numbers, self.sections, self.provenance)

    def write(self, path: str | os.PathLike) -> Path:
        """Write the page; a crash or a full disk leaves no torn file.

        Raises:
            DataError: The file cannot be written.
        """
        return write_atomically(path, self.html())
