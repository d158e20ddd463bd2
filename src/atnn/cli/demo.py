"""The command for the demonstration: demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from atnn.cli.options import LARGEST_SEED, Level, Molecule

EXAMPLES = {"demo": "Example: [bold]atnn demo --molecule ethanol --output ethanol-demo[/bold]"}
NO_ARGUMENTS = ("demo",)


def demo(
    output: Annotated[Path, typer.Option(help="Output folder; results already in it are reused.")] = Path("atnn-demo"),
    molecule: Annotated[Molecule, typer.Option(help="Molecule to study.")] = Molecule.formic_acid,
    level: Annotated[Level, typer.Option(help="GFN2-xTB (minutes), or B3LYP/def2-SVP (an hour).")] = Level.xtb,
    geometries: Annotated[int | None, typer.Option(min=20, help="Number of labelled geometries.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of all random numbers.")] = 0,
) -> dict[str, Any]:
    """From quantum chemistry to infrared and Raman spectra, end to end: label, train, simulate, compare, report."""
    from atnn.demo import run_demo
    from atnn.kernels import keep_memory

    keep_memory()
    result = run_demo(output, molecule.value, level.value, geometries, seed)
    print(f"report: {result.report.resolve()}")
    units = {"energy_rmse": "meV/atom", "force_rmse": "meV/Angstrom", "dipole_rmse": "me*Angstrom"}
    units |= {"frequency_difference": "cm^-1", "intensity_difference": "km/mol"}
    units |= {"polarizability_rmse": "Angstrom^3", "activity_difference": "Angstrom^4/amu"}
    units |= {"drift": "meV/atom/ps", "temperature": "K"}
    return {"report": result.report, **result.numbers, "units": units}


COMMANDS = (demo,)
