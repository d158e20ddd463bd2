"""The command that reports on a training: report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = {"report": "Example: [bold]atnn report run[/bold]   (writes run/report.html)"}
NO_ARGUMENTS: tuple[str, ...] = ()


def report(
    folder: Annotated[Path, typer.Argument(help="Output folder of a training.")],
    output: Annotated[Path | None, typer.Option(help="HTML file; by default report.html in the folder.")] = None,
) -> None:
    """Write learning curves, errors and provenance of a training to one HTML page."""
    from atnn.reports import training_report

    print(f"report: {training_report(folder).write(output or folder / 'report.html')}")


COMMANDS = (report,)
