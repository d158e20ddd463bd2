"""The command that relaxes structures: relax."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

EXAMPLES = {"relax": "Example: [bold]atnn relax run/model.atnn start.xyz --output relaxed.xyz[/bold]"}
NO_ARGUMENTS: tuple[str, ...] = ()


def relax(
    model: Annotated[Path, typer.Argument(help="Model file.")],
    start: Annotated[Path, typer.Argument(help="Structures to start from.")],
    output: Annotated[Path, typer.Option(help="Extended XYZ with energies and forces.")] = Path("relaxed.xyz"),
    fmax: Annotated[float, typer.Option(min=1e-9, help="Largest force that may remain [eV/Angstrom].")] = 1e-3,
    steps: Annotated[int, typer.Option(min=1, help="Largest number of steps for each structure.")] = 500,
) -> dict[str, Any]:
    """Relax each structure to the next minimum of the model's energy, at a fixed cell."""
    from atnn.cli.tables import check_output, show, tabulate_minima
    from atnn.data import write_extxyz
    from atnn.errors import DynamicsError
    from atnn.model import ModelPotential, load_model
    from atnn.observables import find_minima
    from atnn.reading import NO_LABELS, read

    check_output(output, start)
    structures = read(start, keys=NO_LABELS).labelled.structures
    minima = find_minima(ModelPotential(load_model(model).double()), structures, fmax, steps)
    for index, reason in minima.failures.items():
        print(f"failed: structure {index} of {start}: {reason}", file=sys.stderr)
    if minima.labelled is None:
        raise DynamicsError(
            "no structure was relaxed",
            where=str(start),
            remedy="begin closer to a minimum, allow more --steps, or a larger --fmax",
        )
    show(tabulate_minima(minima, f"Minima of {model}"))
    write_extxyz(output, minima.labelled)
    print(f"relaxed: {output} ({len(minima.indices)} of {len(structures)} structures)")
    return {
        "output": output,
        "structures": minima.indices,
        "energies_before": minima.before,
        "energies": minima.labelled.labels["energy"],
        "largest_forces": minima.largest_forces,
        "failed": minima.failures,
        "units": {"energies": "eV", "energies_before": "eV", "largest_forces": "eV/Angstrom"},
    }


COMMANDS = (relax,)
