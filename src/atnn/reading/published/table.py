"""The table of public data sets, which is the file ``sets.yaml``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

from atnn.errors import DataError, suggest

TABLE = Path(__file__).with_name("sets.yaml")


class SetFile(NamedTuple):
    """A file of a set.

    Attributes:
        name: Path below the folder of the set.
        url: Where it is.
        size: Number of bytes; zero where it is not known.
        checksum: Algorithm (``md5``, ``sha256`` or ``git``), a colon and hexadecimal digits; empty where none is known.
        archive: Whether it is unpacked.
    """

    name: str
    url: str
    size: int = 0
    checksum: str = ""
    archive: bool = False


class PublishedSet(NamedTuple):
    """A public data set.

    Attributes:
        name: Name on the command line.
        title: What it holds.
        doi: Of the data, or of the paper where they have none.
        license: Its licence.
        split: How papers split it.
        files: Its files.
        units: Units to declare, where the files state none.
        source: Where the checksums are from.
        part: Files below ``ATNN_DATA`` with a part of the set.
    """

    name: str
    title: str
    doi: str
    license: str
    split: str
    files: tuple[SetFile, ...]
    units: dict[str, str] = {}  # noqa: RUF012 - nothing writes into it
    source: str = ""
    part: tuple[str, ...] = ()

    def text(self) -> str:
        """The row in words."""
        lines = [f"{self.name}: {self.title}", f"  doi:{self.doi}, licence {self.license}", f"  split: {self.split}"]
        if self.units:
            lines.append(f"  units to declare: {', '.join(f'{key} {unit}' for key, unit in self.units.items())}")
        for file in self.files:
            size = f"{file.size / 1e6:.1f} MB, " if file.size else ""
            lines.append(f"  {file.name}: {size}{file.checksum or 'no checksum is published'}, {file.url}")
        return "\n".join(lines)


@cache
def list_sets() -> dict[str, PublishedSet]:
    """All public sets by name."""
    rows = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    found = {}
    for row in rows:
        files = tuple(SetFile(**file) for file in row["files"])
        found[row["name"]] = PublishedSet(**row | {"files": files, "part": tuple(row.get("part", ()))})
    return found


def find_set(name: str) -> PublishedSet:
    """The set of that name.

    Raises:
        DataError: There is none.
    """
    known = list_sets()
    if name not in known:
        raise DataError(
            f"no public set is called {name!r}", remedy=f"{suggest(name, known)}there are: {', '.join(known)}"
        )
    return known[name]
