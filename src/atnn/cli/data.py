"""Commands for data: get, inspect, convert, split."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from atnn.cli.options import LARGEST_SEED
from atnn.cli.wording import rephrase
from atnn.errors import SpecificationError

app = typer.Typer(
    help="Get, inspect, convert and split labelled structures.", no_args_is_help=True, rich_markup_mode="rich"
)

EXAMPLES = {
    "get": "Example: [bold]atnn data get qm9 --folder data[/bold]",
    "inspect": "Example: [bold]atnn data inspect md17.npz --unit energy=kcal/mol --unit length=Angstrom[/bold]",
    "convert": "Example: [bold]atnn data convert train.xyz more.xyz --output train.h5[/bold]",
    "split": "Example: [bold]atnn data split all.xyz train=0.8 validation=0.1 test=0.1[/bold]",
}
NO_ARGUMENTS: tuple[str, ...] = ()

Files = Annotated[list[Path], typer.Argument(help="Files or DeePMD folders.")]
Keys = Annotated[list[str] | None, typer.Option("--key", help="Key of a quantity in the file, e.g. energy=my_energy.")]
Units = Annotated[list[str] | None, typer.Option("--unit", help="Unit of the file, e.g. energy=hartree, length=bohr.")]
Origin = Annotated[
    str | None, typer.Option(help="Point of dipoles of ions: coordinates, mass or nuclear_charge.", metavar="POINT")
]
Format = Annotated[str | None, typer.Option(help="Format, if the file name does not tell it.")]


def get(
    name: Annotated[str | None, typer.Argument(help="Name of a public set.")] = None,
    folder: Annotated[Path, typer.Option(help="Folder of all sets; each has its own in it.")] = Path("data"),
    list: Annotated[bool, typer.Option("--list", help="Show the sets, with licence, split and checksum.")] = False,
) -> dict[str, Any]:
    """Download a public data set and check it, or use the copy below ATNN_DATA. Call it again to go on."""
    from atnn.reading.published import fetch, list_sets

    if list:
        print("\n\n".join(row.text() for row in list_sets().values()))
        return {"sets": [row._asdict() | {"files": [f._asdict() for f in row.files]} for row in list_sets().values()]}
    if name is None:
        raise SpecificationError("no set is named", remedy="name one of atnn data get --list")
    found = fetch(name, folder)
    for path in found.paths:
        print(path)
    for file in found.unknown:
        print(f"no checksum of {file} is published; it has {found.checksums[file]}, and the next time must have it")
    if not found.complete:
        print(f"this is a part of {name}; the whole set needs a network")
    return found._asdict()


def inspect(
    files: Files, key: Keys = None, unit: Units = None, format: Format = None, dipole_origin: Origin = None
) -> dict[str, Any]:
    """Show frames, elements, labels with keys and units, ranges, duplicates, outliers and missing labels."""
    from atnn.cli.tables import show
    from atnn.data import inspect, render
    from atnn.reading import open_dataset

    keys, declared = _parse_keys(key), parse_pairs(unit)
    found = inspect(open_dataset(files, keys=keys, units=declared, format=format, dipole_origin=dipole_origin))
    found = replace(found, findings=tuple(replace(f, text=rephrase(f.text, ["unit"])) for f in found.findings))
    show(render(found))
    units = {"energy_per_atom": "eV", "largest_force": "eV/Angstrom", "shortest_distance": "Angstrom"}
    return {**asdict(found), "units": units}


def convert(
    files: Files,
    output: Annotated[Path, typer.Option(help="Store to write.")],
    key: Keys = None,
    unit: Units = None,
    format: Format = None,
    dipole_origin: Origin = None,
) -> dict[str, Any]:
    """Convert files to one store, which is read lazily: training takes the same memory for a store of any size."""
    from atnn.reading import convert

    keys, units = _parse_keys(key), parse_pairs(unit)
    store = convert(files, output, keys=keys, units=units, format=format, dipole_origin=dipole_origin)
    print(f"wrote {output}: {len(store)} structures")
    return {"output": output, "structures": len(store)}


def split(
    file: Annotated[Path, typer.Argument(help="File with labelled structures.")],
    parts: Annotated[list[str], typer.Argument(help="name=fraction or name=number of structures.")],
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="The same seed gives the same split.")] = 0,
    folder: Annotated[Path, typer.Option(help="Folder for name.xyz and split.json.")] = Path("."),
) -> dict[str, Any]:
    """Split reproducibly into extended XYZ files; identical geometries stay together."""
    from atnn.reading import split_files

    sizes = {name: _parse_size(name, size) for name, size in (parse_pairs(parts) or {}).items()}
    written = split_files(file, sizes, seed, folder)
    for path, count in written.items():
        print(f"wrote {path}: {count} structures")
    return {"structures": written}


def _parse_keys(values: list[str] | None) -> dict[str, str | None] | None:
    """Keys of quantities; a quantity without a key (``spin=``) is left out."""
    pairs = parse_pairs(values)
    return None if pairs is None else {name: key or None for name, key in pairs.items()}


def parse_pairs(values: list[str] | None) -> dict[str, str] | None:
    """Parse values of an option that is given several times, each name=value; None if there are none."""
    if not values:
        return None
    pairs: dict[str, str] = {}
    for value in values:
        name, equals, rest = value.partition("=")
        if not name or not equals:
            raise SpecificationError(f"{value!r} is not of the form name=value", remedy="write e.g. energy=hartree")
        if name in pairs:
            raise SpecificationError(f"{name!r} is given twice", where=value, remedy="give each name once")
        pairs[name] = rest
    return pairs


def _parse_size(name: str, size: str) -> float:
    """Size of a part: a whole number of structures, or a fraction."""
    if re.fullmatch("[0-9]{1,15}", size):
        return int(size)
    if re.fullmatch(r"[0-9]*\.[0-9]*", size) and size != "." and float(size) <= 1:
        return float(size)
    raise SpecificationError(
        "neither a fraction nor a number of structures", where=f"{name}={size}", remedy="write e.g. 0.8, or 800"
    )


COMMANDS = (get, inspect, convert, split)
