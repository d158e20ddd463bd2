"""The command that computes reference values: label."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

EXAMPLES = {"label": "Example: [bold]atnn label geometries.xyz --method pbe/def2-svp --output labelled.xyz[/bold]"}
NO_ARGUMENTS: tuple[str, ...] = ()


def label(
    geometries: Annotated[Path, typer.Argument(help="Structures, with charge and spin where they matter.")],
    method: Annotated[str, typer.Option(help="GFN2-xTB, GFN1-xTB, functional/basis, or models.")] = "GFN2-xTB",
    store: Annotated[Path, typer.Option(help="Keeps each finished calculation.")] = Path("labels.db"),
    output: Annotated[Path, typer.Option(help="Extended XYZ with the labels.")] = Path("labelled.xyz"),
    response: Annotated[
        list[str] | None, typer.Option(help="Also polarizability, born_charges or hessian; may repeat.")
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Number of processes with one thread each.")] = 2,
) -> dict[str, Any]:
    """Label structures by quantum chemistry; run the command again to continue after an interruption."""
    from ase.symbols import Symbols

    from atnn.cli.tables import check_output
    from atnn.data import write_extxyz
    from atnn.errors import LabellingError
    from atnn.labelling import find_labeller
    from atnn.labelling import label as compute
    from atnn.reading import NO_LABELS, read

    check_output(output, geometries, store)
    if store.is_dir():
        raise LabellingError("is a folder", where=str(store), remedy="give the name of a file as --store")
    structures = read(geometries, keys=NO_LABELS).labelled.structures
    result = compute(structures, find_labeller(method, response or ()), store, workers)
    for failure in result.failures:
        formula = Symbols(structures.select([failure.structure]).numbers.numpy()).get_chemical_formula()
        place = f"structure {failure.structure} ({formula}) of {geometries}"
        print(f"failed: {place}: {failure.reason}", file=sys.stderr)
    print(f"computed {result.computed}, taken from {store} {result.stored}, failed {len(result.failures)}")
    if result.labelled is None:
        raise LabellingError(
            "no structure could be labelled", where=str(geometries), remedy="see the reasons above; try one structure"
        )
    write_extxyz(output, result.labelled)
    print(f"labelled: {output} ({len(result.indices)} of {len(structures)} structures)")
    return {
        "output": output,
        "computed": result.computed,
        "stored": result.stored,
        "failed": {failure.structure: failure.reason for failure in result.failures},
    }


COMMANDS = (label,)
