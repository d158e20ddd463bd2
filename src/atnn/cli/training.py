"""Commands for training: init, train."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from atnn.model import Model
    from atnn.training import RunConfig

EXAMPLES = {
    "init": "Example: [bold]atnn init config.yaml[/bold]",
    "train": "Example: [bold]atnn train config.yaml[/bold]   (run it again to continue after an interruption)",
}
NO_ARGUMENTS = ("init",)


def init(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("config.yaml"),
    force: Annotated[bool, typer.Option(help="Overwrite an existing file.")] = False,
) -> None:
    """Write a commented example of a training configuration."""
    from atnn.errors import SpecificationError
    from atnn.files import write_atomically
    from atnn.training import commented_example

    if os.path.exists(path) and not force:  # of names that are too long, too
        raise SpecificationError("the file exists", where=str(path), remedy="choose another name, or add --force")
    write_atomically(path, commented_example())
    print(f"wrote {path}; set data.train, then: atnn train {path}")


def train(config: Annotated[Path, typer.Argument(help="YAML file; see `atnn init`.")]) -> dict[str, Any]:
    """Train a model, or continue a training that was interrupted."""
    from atnn.cli.tables import list_errors, show, tabulate_errors
    from atnn.kernels import keep_memory
    from atnn.training import load_config
    from atnn.training import train as run

    keep_memory()
    settings = load_config(config)
    result = run(settings, start=_pretrain(settings))
    for name, errors in result.errors.items():
        show(tabulate_errors(errors, f"Errors on the {name} data"))
    print(f"model: {result.folder / 'model.atnn'}" + ("" if result.finished else "   (not finished: run again)"))
    print(f"report: atnn report {result.folder}")
    return {
        "model": result.folder / "model.atnn",
        "finished": result.finished,
        "errors": {name: list_errors(errors) for name, errors in result.errors.items()},
    }


def _pretrain(settings: RunConfig) -> Model | None:
    if settings.pretrain is None:
        return None
    from atnn.active import pretrain

    return pretrain(settings)


COMMANDS = (init, train)
