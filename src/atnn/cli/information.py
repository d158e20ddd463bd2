"""What a model file tells about its model, as tables for a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ase.data import chemical_symbols
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from atnn.model import Model
from atnn.reports.spelling import is_quantity, spell, words
from atnn.units import typeset

_RANGES = {
    "atoms": "atoms of a structure",
    "largest_force": f"largest component of a force [{typeset('eV/Angstrom')}]",
    "shortest_distances": f"shortest distances [{typeset('Angstrom')}]",
}


def describe_model(model: Model, title: str) -> RenderableType:
    """Tabulate what a model computes, its errors, data and ranges; the whole specification and record follow."""
    record = dict(model.provenance)
    parts: list[RenderableType] = [_tabulate(title, _list_abilities(model))]
    errors, ranges = record.pop("validation_errors", None), record.pop("ranges", None)
    if isinstance(errors, dict) and errors:
        parts.append(_tabulate_errors(errors))
    data: dict[str, Any] = {name: record.pop(name) for name in ("structures", "data_hash") if name in record}
    if isinstance(ranges, dict):
        data |= {_RANGES.get(name, words(name)): value for name, value in ranges.items()}
    if data:
        parts.append(_tabulate("Training data", data))
    plain: dict[str, Any] = {name: record.pop(name) for name in ("seed", "versions") if name in record}
    if plain:
        parts.append(_tabulate("Training", plain))
    for name, value in {"specification": model.specification.model_dump(mode="json"), **record}.items():
        parts += [Text(words(name), style="bold"), Text(json.dumps(value, indent=1))]
    return Group(*parts)


def list_model(model: Model) -> dict[str, Any]:
    """List what a model is, as ``--json`` prints it."""
    return {
        "elements": [chemical_symbols[z] for z in model.elements],
        "gives": sorted(model.outputs),
        "cutoff": model.cutoff,
        "parameters": sum(p.numel() for p in model.parameters()),
        "reference_energies": {chemical_symbols[z]: energy for z, energy in model.reference_energies.items()},
        "specification": model.specification.model_dump(mode="json"),
        "provenance": model.provenance,
        "units": {"cutoff": "Angstrom", "reference_energies": "eV"},
    }


def _list_abilities(model: Model) -> dict[str, Any]:
    energies = ", ".join(f"{chemical_symbols[z]} {e:.4f}" for z, e in model.reference_energies.items())
    return {
        "elements": " ".join(chemical_symbols[z] for z in model.elements),
        "gives": ", ".join(sorted(model.outputs)),
        "cutoff": f"{model.cutoff:g} {typeset('Angstrom')}",
        "parameters": f"{sum(p.numel() for p in model.parameters()):,} ({model.dtype})",
        "reference energies [eV]": energies,
    }


def _tabulate(title: str, rows: dict[str, Any]) -> Table:
    table = Table("property", "value", title=escape(title))
    for name, value in rows.items():
        table.add_row(escape(words(name)), escape(_write_value(value)))
    return table


def _tabulate_errors(errors: dict[str, Any]) -> Table:
    table = Table("quantity", "RMSE", "unit", title="Errors on the validation data")
    for row in _list_errors(errors):
        table.add_row(*map(escape, row))
    return table


def _list_errors(errors: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name, value in errors.items():
        if is_quantity(name) and isinstance(value, int | float):
            spelling = spell(name)
            yield spelling.words, f"{value * spelling.error_factor:.3g}", spelling.error_unit
        else:
            yield words(name), _write_value(value), ""


def _write_value(value: Any) -> str:
    """Write a JSON value for people."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_write_value(item)}" for name, item in value.items())
    if isinstance(value, list):
        return " to ".join(map(_write_value, value)) if len(value) == 2 else ", ".join(map(_write_value, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
