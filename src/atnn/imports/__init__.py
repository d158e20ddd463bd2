"""Importers make a model of this package from the checkpoint of another. They run no code of a file."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from atnn.errors import SpecificationError, suggest
from atnn.imports.reann import import_reann
from atnn.imports.spookynet import import_spookynet
from atnn.model import Model

# Package that trained the checkpoint -> function that takes the file, and by name what else the package needs.
IMPORTERS: dict[str, Callable[..., Model]] = {
    "reann": import_reann,
    "spookynet": import_spookynet,
}


def import_model(package: str, path: str | Path, **options: Any) -> Model:
    """Import a model that another package trained.

    Args:
        package: A key of :data:`IMPORTERS`.
        path: The checkpoint.
        options: What the importer of this package takes; an option that is None is not given.

    Raises:
        SpecificationError: The package is unknown, or an option is missing, or the importer does not take it.
        ModelFileError: The checkpoint cannot be read, or is not what the options say.
    """
    if package not in IMPORTERS:
        raise SpecificationError(
            f"no importer for {package}", remedy=f"{suggest(package, IMPORTERS)}known: {', '.join(sorted(IMPORTERS))}"
        )
    given = {name: value for name, value in options.items() if value is not None}
    _, *taken = inspect.signature(IMPORTERS[package]).parameters.values()
    unknown = sorted(given.keys() - {parameter.name for parameter in taken})
    if unknown:
        raise SpecificationError(f"the importer of {package} takes no {', '.join(unknown)}", remedy="leave it out")
    missing = [p.name for p in taken if p.default is p.empty and p.name not in given]
    if missing:
        options_of = ", ".join(f"--{name}" for name in missing)
        raise SpecificationError(
            f"the importer of {package} needs {', '.join(missing)}",
            remedy=f"give it; on the command line, {options_of}",
        )
    return IMPORTERS[package](Path(path), **given)


__all__ = ["IMPORTERS", "import_model", "import_reann", "import_spookynet"]
