"""The content of data sets as a table: what was read and what was not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atnn.data import Summary
from atnn.reports.exhibit import Exhibit, Table
from atnn.reports.spelling import format_value, spell, words
from atnn.stated import STATED
from atnn.units import typeset


def data_summary(summaries: Mapping[str, Summary | Mapping]) -> Exhibit:
    """Frames, atoms, elements, sizes and labels of data sets, side by side.

    Args:
        summaries: Name of the set -> its :class:`atnn.data.Summary`, or the dictionary of one.
    """
    sets = {name: _as_dict(summary) for name, summary in summaries.items()}
    rows: list[list[str]] = [
        ["frames", *(f"{s['frames']:,}" for s in sets.values())],
        ["atoms", *(f"{s['atoms']:,}" for s in sets.values())],
        ["atoms per frame", *(_range(s["sizes"]) for s in sets.values())],
        ["elements (atoms)", *(_counts(s["elements"]) for s in sets.values())],
        ["periodicity (frames)", *(_counts(s["periodicity"]) for s in sets.values())],
    ]
    for name, entry in STATED.items():
        if any(name in s["stated"] for s in sets.values()):
            rows.append([f"{entry.title} (frames)", *(_counts(s["stated"].get(name, {})) for s in sets.values())])
    for label in dict.fromkeys(name for s in sets.values() for name in s["labels"]):
        rows.append([words(label), *(_label(label, s["labels"].get(label)) for s in sets.values())])
    unread = dict.fromkeys(key for s in sets.values() for key in s["unread"])
    caption = f"Keys in the files that were not read: {', '.join(unread)}." if unread else ""
    return Exhibit(None, Table(["", *sets], rows), caption)


def _as_dict(summary: Summary | Mapping) -> dict[str, Any]:
    return (Summary.from_dict(summary) if isinstance(summary, Mapping) else summary).as_dict()


def _range(ends) -> str:
    low, high = ends
    return f"{low}" if low == high else f"{low} to {high}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in counts.items()) or "not stated"


def _label(name: str, label: Mapping[str, Any] | None) -> str:
    if label is None or not label["count"]:
        return "none"
    text = f"key “{label['key']}” in {typeset(label['unit'])}, {label['count']:,} frames"
    spelling = spell(name)
    low, high = (spelling.factor * label[end] for end in ("minimum", "maximum"))
    if label["missing"]:
        text += f" (missing in {label['missing']:,})"
    return f"{text}; {format_value(low)} to {format_value(high)} {spelling.unit}"
