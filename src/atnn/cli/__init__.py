"""The command line: each command parses its options, calls one public function and prints the result.

The heavy imports are inside the commands, so that ``atnn --help`` stays fast.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Annotated

import typer

from atnn.cli import data, demo, imports, label, model, modes, relax, report, schema, simulate, training, trajectory
from atnn.cli.commands import register, set_loudness
from atnn.errors import AtnnError

app = typer.Typer(
    name="atnn",
    help="Atomistic neural networks, from quantum chemistry to observables.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with [bold]atnn demo[/bold], or [bold]atnn init[/bold] and [bold]atnn train[/bold].",
)
app.add_typer(data.app, name="data")
app.add_typer(trajectory.app, name="trajectory")
for module in (training, model, imports, simulate, modes, relax, label, report, schema, demo):
    register(app, module)
register(data.app, data)
register(trajectory.app, trajectory)


def _print_version(wanted: bool) -> bool:
    if wanted:
        import importlib.metadata

        print(importlib.metadata.version("atnn"))
        raise typer.Exit
    return wanted


@app.callback()
def set_options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the whole traceback of an error.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only warnings and results.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print version.")
    ] = False,
) -> None:
    """Set the options that every command has."""
    import logging

    logging.basicConfig(level=logging.WARNING, format="%(message)s", force=True)
    set_loudness(quiet)


def main() -> None:
    """Run the command line; print errors without a traceback unless ``--debug`` is given."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without Unicode lacks letters of some units
    try:
        try:
            app()
        finally:
            _flush()
    except (AtnnError, OSError) as error:
        if "--debug" in sys.argv:
            raise
        from rich.console import Console
        from rich.markup import escape

        Console(stderr=True, soft_wrap=True).print(f"[bold red]error[/bold red] {escape(str(error))}")
        sys.exit(1)


def _flush() -> None:
    """Write what is still to be printed, so that a full disk is an error like any other."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes again
        if error.errno == errno.EPIPE:
            sys.exit(1)
        raise
