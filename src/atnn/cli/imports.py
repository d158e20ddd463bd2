"""The command that imports models of other packages: import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

EXAMPLES = {
    "import": "Example: [bold]atnn import reann REANN.pth --input para --unit energy=eV --unit length=Angstrom[/bold]"
}
NO_ARGUMENTS: tuple[str, ...] = ()


def import_(
    package: Annotated[str, typer.Argument(help="Package that trained the model, e.g. reann (EquiREANN, too).")],
    model: Annotated[Path, typer.Argument(help="Its checkpoint.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Model file to write; by default beside the checkpoint.")
    ] = None,
    input: Annotated[Path | None, typer.Option(help="Input files of the training (reann: the folder para).")] = None,
    unit: Annotated[
        list[str] | None, typer.Option("--unit", help="Unit of the training data, e.g. energy=eV, length=Angstrom.")
    ] = None,
) -> dict[str, Any]:
    """Convert a trained model of another package to a model file. Nothing in its files is run."""
    from atnn.cli.data import parse_pairs
    from atnn.imports import import_model
    from atnn.model import save_model

    imported = import_model(package, model, input=input, units=parse_pairs(unit))
    output = output or model.with_suffix(".atnn")
    save_model(output, imported)
    print(f"wrote {output}; `atnn info {output}` shows what it is")
    return {"output": output, "gives": sorted(imported.outputs)}


COMMANDS = (import_,)
