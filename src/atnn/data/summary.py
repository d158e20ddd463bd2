"""What a data set contains, counted batch by batch so that its size does not matter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from ase.data import chemical_symbols

from atnn.quantities import QUANTITIES, quantity
from atnn.stated import STATED
from atnn.structures import Labelled, Structures

PERIODICITY = {0: "molecule", 1: "periodic in 1 direction", 2: "periodic in 2 directions", 3: "periodic"}


@dataclass(frozen=True, slots=True)
class Source:
    """Where a label came from: the key in the file and the unit there."""

    key: str
    unit: str


@dataclass(slots=True)
class LabelSummary:
    """One label of a data set, with values in the package's unit of that quantity.

    Attributes:
        key: Key under which the file carries it.
        unit: Unit in the file.
        count: Frames that carry it.
        missing: Frames that lack it.
        minimum, maximum: Range of the components.
        rms: Root mean square of the components.
        values: Number of components seen.
    """

    key: str
    unit: str
    count: int = 0
    missing: int = 0
    minimum: float = float("inf")
    maximum: float = float("-inf")
    rms: float = 0.0
    values: int = 0


@dataclass(slots=True)
class Summary:
    """Content of a data set.

    Attributes:
        frames: Number of structures.
        atoms: Number of atoms in all of them.
        elements: Chemical symbol -> number of atoms.
        sizes: Smallest and largest number of atoms of a structure.
        periodicity: Words for the periodicity -> number of structures.
        stated: Name of a stated number, such as ``charge`` -> its value -> number of structures. What nobody stated is
            neither here nor among the magnitudes.
        magnitudes: Name of a stated vector, such as ``field`` -> its smallest and largest magnitude.
        labels: Quantity name -> what is known about that label.
        unread: Keys of the files that were not read -> number of frames with them.
        notes: Conventions and remarks in words.
        sources: Files that the data came from.
    """

    frames: int = 0
    atoms: int = 0
    elements: dict[str, int] = field(default_factory=dict)
    sizes: tuple[int, int] = (0, 0)
    periodicity: dict[str, int] = field(default_factory=dict)
    stated: dict[str, dict[str, int]] = field(default_factory=dict)
    magnitudes: dict[str, tuple[float, float]] = field(default_factory=dict)
    labels: dict[str, LabelSummary] = field(default_factory=dict)
    unread: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)

    @property
    def missing(self) -> list[str]:
        """Quantities of the table that no frame carries."""
        return [name for name in QUANTITIES if name not in self.labels]

    def as_dict(self) -> dict:
        """The summary as JSON-able values."""
        return asdict(self)

    @staticmethod
    def from_dict(values: Mapping) -> Summary:
        """The summary that :meth:`as_dict` wrote, now or in stores of version 1."""
        content = dict(values)
        if "charges" in content:
            counts = {"charge": content.pop("charges"), "spin": content.pop("spins")}
            span = content.pop("field_range")
            content["stated"] = {name: count for name, count in counts.items() if count}
            content["magnitudes"] = {} if span is None else {"field": span}
        content["labels"] = {name: LabelSummary(**label) for name, label in content.get("labels", {}).items()}
        content["sizes"] = tuple(content.get("sizes", (0, 0)))
        content["magnitudes"] = {name: tuple(span) for name, span in content.get("magnitudes", {}).items()}
        return Summary(**content)

    def text(self) -> str:
        """Frames, elements, and the labels with their keys and units, as plain lines."""
        lines = [
            f"{self.frames} frames, {self.atoms} atoms ({self.sizes[0]} to {self.sizes[1]} per frame): "
            + ", ".join(f"{symbol} {count}" for symbol, count in self.elements.items())
        ]
        for name, label in self.labels.items():
            lack = f", missing in {label.missing}" if label.missing else ""
            lines.append(f"{name}: key '{label.key}' in {label.unit}, {label.count} frames{lack}")
        if self.unread:
            lines.append("not read: " + ", ".join(self.unread))
        return "\n".join([*lines, *self.notes])

    def add(self, labelled: Labelled, sources: Mapping[str, Source] | None = None) -> None:
        """Count another batch.

        Args:
            labelled: The batch.
            sources: Quantity name -> where its label came from; its own name and unit when not given.
        """
        structures = labelled.structures
        counts = structures.counts
        first = self.frames == 0
        self.frames += len(structures)
        self.atoms += len(structures.numbers)
        low, high = int(counts.min()), int(counts.max())
        self.sizes = (low, high) if first else (min(self.sizes[0], low), max(self.sizes[1], high))
        found, how_many = np.unique(structures.numbers.cpu().numpy(), return_counts=True)
        _count(self.elements, {chemical_symbols[z]: int(n) for z, n in zip(found, how_many, strict=True)})
        _count(self.periodicity, Counter(PERIODICITY[n] for n in structures.pbc.sum(1).tolist()))
        self._add_stated(structures)
        self._add_labels(labelled, sources or {})

    def _add_stated(self, structures: Structures) -> None:
        for name, value in structures.stated.items():
            if STATED[name].shape:
                size = value.flatten(1).norm(dim=1)
                low, high = self.magnitudes.get(name, (float("inf"), 0.0))
                self.magnitudes[name] = (min(low, float(size.min())), max(high, float(size.max())))
            else:
                counts = Counter(f"{number + 0:g}" for number in value.tolist())
                _count(self.stated.setdefault(name, {}), counts)

    def _add_labels(self, labelled: Labelled, sources: Mapping[str, Source]) -> None:
        size = len(labelled.structures)
        for name, value in labelled.labels.items():
            if name not in self.labels:
                source = sources.get(name, Source(name, quantity(name).unit))
                self.labels[name] = LabelSummary(source.key, source.unit, missing=self.frames - size)
            label, mask = self.labels[name], labelled.masks[name]
            label.count += int(mask.sum())
            label.missing += size - int(mask.sum())
            given = value[mask[labelled.structures.rows(quantity(name).axis)]]
            given = given[~torch.isnan(given)]  # atoms without a label
            if given.numel():
                given = given.to(torch.float64)
                total = label.values + given.numel()
                squares = label.rms**2 * label.values + float(given.square().sum())
                label.rms, label.values = (squares / total) ** 0.5, total
                label.minimum = min(label.minimum, float(given.min()))
                label.maximum = max(label.maximum, float(given.max()))
        for name, label in self.labels.items():
            if name not in labelled.labels:
                label.missing += size


def _count(into: dict[str, int], more: Mapping[str, int]) -> None:
    for key, number in more.items():
        into[key] = into.get(key, 0) + number
