"""Commands for a trained model: eval, info."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

EXAMPLES = {
    "eval": "Example: [bold]atnn eval run/model.atnn test.xyz --report errors.html[/bold]",
    "info": "Example: [bold]atnn info run/model.atnn[/bold]",
}
NO_ARGUMENTS: tuple[str, ...] = ()


def eval_(
    model: Annotated[Path, typer.Argument(help="Model file.")],
    data: Annotated[list[Path], typer.Argument(help="Labelled structures.")],
    batch_size: Annotated[int, typer.Option(min=1, help="Number of structures computed at once.")] = 64,
    report: Annotated[Path | None, typer.Option(help="Also write an HTML report.")] = None,
) -> dict[str, Any]:
    """Compute the errors of a model on labelled structures."""
    from atnn.cli.tables import list_errors, show, tabulate_errors
    from atnn.model import load_model
    from atnn.reading import open_dataset
    from atnn.training import evaluate

    where = ", ".join(map(str, data))
    errors = evaluate(load_model(model), open_dataset(data), batch_size=batch_size, where=where)
    show(tabulate_errors(errors, f"Errors of {model} on {where}"))
    if report is not None:
        from atnn.reports import evaluation_report

        print(f"report: {evaluation_report(errors, f'{model} on {where}').write(report)}")
    return {"errors": list_errors(errors), "report": report}


def info(model: Annotated[Path, typer.Argument(help="Model file.")]) -> dict[str, Any]:
    """Show what a model computes, its settings and how it was trained."""
    import json

    from ase.data import chemical_symbols
    from rich.markup import escape
    from rich.table import Table

    from atnn.cli.tables import show
    from atnn.model import load_model
    from atnn.units import typeset

    loaded = load_model(model)
    table = Table("property", "value", title=escape(str(model)))
    table.add_row("elements", " ".join(chemical_symbols[z] for z in loaded.elements))
    table.add_row("gives", ", ".join(sorted(loaded.outputs)))
    table.add_row("cutoff", f"{loaded.cutoff:g} {typeset('Angstrom')}")
    table.add_row("parameters", f"{sum(p.numel() for p in loaded.parameters()):,} ({loaded.dtype})")
    energies = ", ".join(f"{chemical_symbols[z]} {e:.4f}" for z, e in loaded.reference_energies.items())
    table.add_row(escape("reference energies [eV]"), energies)
    specification = loaded.specification.model_dump(mode="json")
    table.add_row("specification", escape(json.dumps(specification, indent=1)))
    for name, value in loaded.provenance.items():
        words = json.dumps(value, indent=1) if isinstance(value, dict) else str(value)
        table.add_row(escape(name.replace("_", " ")), escape(words))
    show(table)
    return {
        "elements": [chemical_symbols[z] for z in loaded.elements],
        "gives": sorted(loaded.outputs),
        "cutoff": loaded.cutoff,
        "parameters": sum(p.numel() for p in loaded.parameters()),
        "reference_energies": {chemical_symbols[z]: energy for z, energy in loaded.reference_energies.items()},
        "specification": specification,
        "provenance": loaded.provenance,
        "units": {"cutoff": "Angstrom", "reference_energies": "eV"},
    }


COMMANDS = (eval_, info)
