"""Commands for data: inspect, convert, split."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Inspect, convert and split labelled structures.", no_args_is_help=True, rich_markup_mode="rich")

Files = Annotated[list[Path], typer.Argument(help="Files or DeePMD folders.")]
Keys = Annotated[list[str] | None, typer.Option("--key", help="Key of a quantity in the file, e.g. energy=my_energy.")]
Units = Annotated[list[str] | None, typer.Option("--unit", help="Unit of the file, e.g. energy=hartree, length=bohr.")]
Format = Annotated[str | None, typer.Option(help="Format, if the file name does not tell it.")]


@app.command(epilog="Example: [bold]atnn data inspect md17.npz --unit energy=kcal/mol --unit length=Angstrom[/bold]")
def inspect(files: Files, key: Keys = None, unit: Units = None, format: Format = None) -> None:
    """Show frames, elements, labels with keys and units, ranges, duplicates, outliers and missing labels."""
    from atnn.cli.tables import show
    from atnn.data import inspect, render
    from atnn.reading import open_dataset

    show(render(inspect(open_dataset(files, keys=_parse_pairs(key), units=_parse_pairs(unit), format=format))))


@app.command(epilog="Example: [bold]atnn data convert train.xyz more.xyz --output train.h5[/bold]")
def convert(
    files: Files,
    output: Annotated[Path, typer.Option(help="Store to write.")],
    key: Keys = None,
    unit: Units = None,
    format: Format = None,
) -> None:
    """Convert files to one store, which is read lazily: training takes the same memory for a store of any size."""
    from atnn.reading import convert

    store = convert(files, output, keys=_parse_pairs(key), units=_parse_pairs(unit), format=format)
    print(f"wrote {output}: {len(store)} structures")


@app.command(epilog="Example: [bold]atnn data split all.xyz train=0.8 validation=0.1 test=0.1[/bold]")
def split(
    file: Annotated[Path, typer.Argument(help="File with labelled structures.")],
    parts: Annotated[list[str], typer.Argument(help="name=fraction or name=number of structures.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same split.")] = 0,
    folder: Annotated[Path, typer.Option(help="Folder for name.xyz and split.json.")] = Path("."),
) -> None:
    """Split reproducibly into extended XYZ files; identical geometries stay together."""
    from atnn.reading import split_files

    sizes = {name: float(size) if "." in size else int(size) for name, size in (_parse_pairs(parts) or {}).items()}
    for path, count in split_files(file, sizes, seed, folder).items():
        print(f"wrote {path}: {count} structures")


def _parse_pairs(values: list[str] | None) -> dict[str, str] | None:
    from atnn.errors import SpecificationError

    if values and (wrong := [value for value in values if "=" not in value]):
        raise SpecificationError(f"{wrong[0]!r} is not of the form name=value", remedy="write e.g. energy=hartree")
    return dict(value.split("=", 1) for value in values) if values else None
