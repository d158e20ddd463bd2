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
    dipole_origin: Annotated[
        str | None, typer.Option(help="Point of dipoles of ions: coordinates, mass or nuclear_charge.", metavar="POINT")
    ] = None,
    dipole_modulo: Annotated[
        bool, typer.Option("--dipole-modulo", help="Compare dipoles of cells modulo e times the lattice vectors.")
    ] = False,
    report: Annotated[Path | None, typer.Option(help="Also write an HTML report.")] = None,
) -> dict[str, Any]:
    """Compute the errors of a model on labelled structures."""
    from atnn.cli.tables import list_errors, show, tabulate_errors
    from atnn.model import load_model
    from atnn.reading import open_dataset
    from atnn.training import evaluate

    where = ", ".join(map(str, data))
    network, dataset = load_model(model), open_dataset(data, dipole_origin=dipole_origin)
    errors = evaluate(network, dataset, batch_size=batch_size, where=where, dipole_modulo=dipole_modulo)
    show(tabulate_errors(errors, f"Errors of {model} on {where}"))
    if report is not None:
        from atnn.reports import evaluation_report

        print(f"report: {evaluation_report(errors, f'{model} on {where}').write(report)}")
    return {"errors": list_errors(errors), "report": report}


def info(model: Annotated[Path, typer.Argument(help="Model file.")]) -> dict[str, Any]:
    """Show what a model computes, its errors and data, its settings and how it was trained."""
    from atnn.cli.information import describe_model, list_model
    from atnn.cli.tables import show
    from atnn.model import load_model

    loaded = load_model(model)
    show(describe_model(loaded, str(model)))
    return list_model(loaded)


COMMANDS = (eval_, info)
