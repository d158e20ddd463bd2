"""What all commands share: options, help that keeps its brackets, and words for what may go wrong."""

from __future__ import annotations

import contextlib
import copy
import errno
import functools
import inspect
import logging
import math
import sys
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Annotated, Any, get_args

import typer

from atnn.cli.wording import escape, rephrase
from atnn.errors import AtnnError, DataError

RESUMED = ("train", "md", "label", "demo")  # commands that are long, and go on after an interruption
LONG = (*RESUMED, "relax")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print only warnings and results.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Tell the progress every second.")]


def register(app: typer.Typer, module: ModuleType) -> None:
    """Add the commands of a module to the application."""
    for command in module.COMMANDS:
        name = command.__name__.removesuffix("_")
        shown = name not in module.NO_ARGUMENTS
        app.command(name, epilog=module.EXAMPLES[name], no_args_is_help=shown)(dress(command, name))


def set_loudness(quiet: bool, verbose: bool = False) -> None:
    """Choose what the package says while it works; bars and lines of progress have a logger of their own."""
    level = logging.WARNING if quiet else logging.INFO
    logging.getLogger("atnn").setLevel(level)
    logging.getLogger("atnn.progress").setLevel(logging.DEBUG if verbose and not quiet else level)


def dress(command: Callable[..., dict[str, Any] | None], name: str) -> Callable[..., None]:
    """Give a command what all have: ``--quiet``, ``--json`` if it returns numbers, and errors without a traceback.

    Args:
        command: Function with annotations of typer, which prints, and returns what ``--json`` prints.
        name: Its name on the command line.
    """
    signature = inspect.signature(command, eval_str=True)
    returns = signature.return_annotation not in (None, inspect.Signature.empty)
    extra = {"quiet": Quiet}
    extra |= {"verbose": Verbose} if name in LONG else {}
    extra |= {"json": Json} if returns else {}

    @functools.wraps(command)
    def run(*, quiet: bool = False, verbose: bool = False, json: bool = False, **values: Any) -> None:
        _refuse_infinite(values)
        if quiet or verbose:
            set_loudness(quiet, verbose)
        warnings.showwarning = lambda message, *_: print(f"warning: {rephrase(str(message), values)}", file=sys.stderr)
        with _explained(name, values), contextlib.redirect_stdout(sys.stderr) if json else contextlib.nullcontext():
            result = command(**values)
        if json:
            print(_write_json(result))

    own = [p.replace(annotation=_escape_help(p.annotation)) for p in signature.parameters.values()]
    added = [
        inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=a) for n, a in extra.items()
    ]
    run.__doc__ = escape(command.__doc__ or "")
    run.__signature__ = signature.replace(parameters=own + added, return_annotation=None)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in own + added}  # typer reads these beside the signature
    return run


def _escape_help(annotation: Any) -> Any:
    kind, *notes = get_args(annotation)
    notes = [copy.copy(note) for note in notes]
    for note in notes:
        note.help = escape(note.help or "")
    return Annotated[(kind, *notes)]


def _refuse_infinite(values: dict[str, Any]) -> None:
    """Refuse NaN, which lies in every range, and infinity."""
    for name, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise typer.BadParameter(f"{value} is not a finite number.", param_hint=f"'--{name.replace('_', '-')}'")


@contextlib.contextmanager
def _explained(name: str, values: dict[str, Any]) -> Iterator[None]:
    """Say what an interruption means, and turn errors into what a user of the command line understands."""
    try:
        yield
    except KeyboardInterrupt:
        print("interrupted" + ("; the same command goes on" if name in RESUMED else ""), file=sys.stderr)
        raise typer.Exit(130) from None
    except AtnnError as error:
        what, remedy = rephrase(error.what, values), rephrase(error.remedy, values)
        if (what, remedy) == (error.what, error.remedy):
            raise
        raise type(error)(what, where=error.where, remedy=remedy) from error
    except OSError as error:
        if error.errno == errno.EPIPE:  # nobody reads the output any more; typer ends the program
            raise
        where = "" if error.filename is None else str(error.filename)
        raise DataError(error.strerror or str(error), where=where, remedy="check the path, and its disk") from error


def _write_json(result: Any) -> str:
    import json

    return json.dumps(_plain(result), indent=1, allow_nan=False)


def _plain(value: Any) -> Any:
    """A value as JSON knows it; numbers that are not finite become null, arrays lists."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
