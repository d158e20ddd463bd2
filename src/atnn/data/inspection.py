"""Inspecting a data set before it is used: its content and ranges, what is odd, and what is missing."""

from __future__ import annotations

from dataclasses import dataclass

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from atnn.data.checks import Checks, Finding
from atnn.data.columns import data_hash
from atnn.data.dataset import Dataset, batches_of
from atnn.data.store import Store
from atnn.data.summary import PERIODICITY, Summary
from atnn.errors import DataError
from atnn.quantities import quantity
from atnn.stated import STATED, Stated
from atnn.structures import Labelled
from atnn.units import NUMBER, unit_of


@dataclass(frozen=True, slots=True)
class Inspection:
    """What :func:`inspect` found.

    Attributes:
        summary: Frames, elements, sizes, periodicity, what is stated, and labels with keys and units.
        findings: Duplicates, force outliers, close contacts, atoms outside the cell, and charges that do not add up.
        energy_per_atom: Smallest, mean and largest energy per atom [eV], or None without energies.
        largest_force: Largest length of a force [eV/Angstrom], or None without forces.
        shortest_distance: Shortest distance between two atoms [Angstrom]; infinite if none is near another.
        missing: What a training might want and the data do not have.
        content_hash: Hash of all geometries and labels.
    """

    summary: Summary
    findings: tuple[Finding, ...]
    energy_per_atom: tuple[float, float, float] | None
    largest_force: float | None
    shortest_distance: float
    missing: tuple[str, ...]
    content_hash: str

    def finding(self, kind: str) -> Finding | None:
        """The finding of that kind, if there is one."""
        return next((finding for finding in self.findings if finding.kind == kind), None)


def inspect(dataset: Dataset) -> Inspection:
    """Read through a data set once and judge it.

    Raises:
        DataError: It holds no structures, or geometries that are impossible.
    """
    if len(dataset) == 0:
        raise DataError("the data set is empty", remedy="check the file")
    if isinstance(dataset, Store):
        dataset.verify()
    checks, energies, forces = Checks(), _Range(), _Range()
    for batch in batches_of(dataset):
        checks.add(batch)
        _gather_ranges(batch, energies, forces)
    summary = dataset.summary
    periodic = any(words != PERIODICITY[0] for words in summary.periodicity)
    missing = [f"{name} in every frame" for name in summary.missing if periodic or not _needs_cell(name)]
    missing += [f"{name} in {label.missing} frames" for name, label in summary.labels.items() if label.missing]
    given = {*summary.stated, *summary.magnitudes}
    missing += [f"{e.title} (not stated, zero is assumed)" for name, e in STATED.items() if name not in given]
    return Inspection(
        summary=summary,
        findings=tuple(checks.list_findings()),
        energy_per_atom=energies.as_triple() if energies.count else None,
        largest_force=forces.high if forces.count else None,
        shortest_distance=checks.shortest,
        missing=tuple(missing),
        content_hash=data_hash(dataset),
    )


def render(inspection: Inspection) -> RenderableType:
    """The inspection as tables for a terminal (``rich.print(render(...))``)."""
    summary = inspection.summary
    parts: list[RenderableType] = [_tabulate_content(inspection), _tabulate_labels(summary)]
    for finding in inspection.findings:
        parts.append(Text(f"! {finding.count} frames: {finding.describe()}", style="yellow"))
    if not inspection.findings:
        parts.append(Text("No duplicates, force outliers, close contacts or atoms outside the cell.", style="green"))
    parts.append(Text("Missing: " + "; ".join(inspection.missing)))
    if summary.unread:
        unread = ", ".join(f"{key} ({count})" for key, count in summary.unread.items())
        parts.append(Text(f"Not read (declare with --key quantity=key): {unread}"))
    parts += [Text(note, style="dim") for note in summary.notes]
    parts.append(Text(f"content hash {inspection.content_hash[:16]}", style="dim"))
    return Group(*parts)


def _needs_cell(name: str) -> bool:
    derivative = quantity(name).derivative
    return derivative is not None and derivative.by == "strain"


class _Range:
    def __init__(self) -> None:
        self.low, self.high, self.mean, self.count = float("inf"), float("-inf"), 0.0, 0

    def add(self, values) -> None:
        if len(values):
            self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
            self.count += len(values)
            self.mean += float((values - self.mean).sum()) / self.count

    def as_triple(self) -> tuple[float, float, float]:
        return self.low, self.mean, self.high


def _gather_ranges(batch: Labelled, energies: _Range, forces: _Range) -> None:
    structures = batch.structures
    if "energy" in batch.labels:
        mask = batch.masks["energy"]
        energies.add((batch.labels["energy"] / structures.counts)[mask])
    if "forces" in batch.labels:
        forces.add(batch.labels["forces"][batch.masks["forces"][structures.batch]].norm(dim=1))


def _name_row(entry: Stated) -> str:
    return entry.title if entry.dimension == NUMBER else f"{entry.title} [{unit_of(entry.dimension)}]"


def _tabulate_content(inspection: Inspection) -> Table:
    summary = inspection.summary
    low, high = summary.sizes
    rows = {
        "source": ", ".join(summary.sources) or "memory",
        "frames": f"{summary.frames}",
        "atoms": f"{summary.atoms} ({low} per frame)"
        if low == high
        else f"{summary.atoms} ({low} to {high} per frame)",
        "elements": ", ".join(f"{symbol} {count}" for symbol, count in summary.elements.items()),
        "periodicity": ", ".join(f"{words}: {count}" for words, count in summary.periodicity.items()),
    }
    for name, entry in STATED.items():
        if name in summary.stated:
            rows[_name_row(entry)] = ", ".join(f"{value}: {count}" for value, count in summary.stated[name].items())
        if name in summary.magnitudes:
            rows[_name_row(entry)] = "{:.4g} to {:.4g}".format(*summary.magnitudes[name])
    if inspection.energy_per_atom is not None:
        rows["energy per atom [eV]"] = "{0:.4f} to {2:.4f}, mean {1:.4f}".format(*inspection.energy_per_atom)
    if inspection.largest_force is not None:
        rows["largest force [eV/Angstrom]"] = f"{inspection.largest_force:.4g}"
    if inspection.shortest_distance < float("inf"):
        rows["shortest distance [Angstrom]"] = f"{inspection.shortest_distance:.4f}"
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for name, value in rows.items():
        table.add_row(Text(name, style="bold"), Text(value, overflow="fold"))
    return table


def _tabulate_labels(summary: Summary) -> Table:
    table = Table("label", "key in file", "unit there", "frames", "range (unit here)", "RMS", box=box.SIMPLE)
    for name, label in summary.labels.items():
        frames = f"{label.count} of {summary.frames}" if label.missing else f"{label.count}"
        shown = f"{label.minimum:.6g} to {label.maximum:.6g} {quantity(name).unit}" if label.values else "-"
        key = Text(label.key, overflow="fold")
        table.add_row(name, key, label.unit, frames, shown, f"{label.rms:.4g}")
    return table
