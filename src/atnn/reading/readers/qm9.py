"""QM9 as published: a file for each molecule, a folder of them, or ``dsgdb9nsd.xyz.tar.bz2``, read as a stream.

Ramakrishnan, Dral, Rupp and von Lilienfeld, Sci. Data 1, 140022 (2014), doi:10.1038/sdata.2014.22. Below the number of
atoms stands a line of 17 properties. Each atom has a symbol, a position and a Mulliken charge. Three lines follow:
frequencies, SMILES and InChI, the last two of GDB-17 and of the relaxed geometry.
"""

from __future__ import annotations

import bz2
import io
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from atnn.errors import DataError, unreadable
from atnn.reading.raw import Format, RawFrame, find_numbers
from atnn.reading.text import EXPANSION, SMALL, open_text, parse_count, parse_floats

# Line 2 after its first word and the index. The published names mu and alpha are those of a vector and a tensor
# elsewhere; here they are a length and a mean.
PROPERTIES = (
    "A", "B", "C", "dipole_norm", "isotropic_polarizability", "homo", "lumo", "gap", "r2", "zpve", "U0", "U", "H", "G",
    "Cv",
)  # fmt: skip
LARGEST = 1 << 20  # bytes of one molecule; those of QM9 have some 4 kB
_NAME = re.compile(r"ds(gdb9|C7O2H10)nsd_\d+\.xyz")
_REMEDY = "this is no file of QM9 as published, or it is damaged: copy it again"


def read_frames(path: Path) -> Iterator[RawFrame]:
    """Molecules of a file, a folder or the archive, in the order of their names or of the archive.

    Raises:
        DataError: A line cannot be understood, or the archive is damaged. The message names the file and the line.
    """
    if path.is_dir():
        for file in _list_files(path):
            yield _read_file(file)
    elif path.suffix == ".bz2":
        yield from _read_archive(path)
    else:
        yield _read_file(path)


def recognise(path: Path) -> bool:
    """Whether a path is a folder or an archive of QM9 by its name, or a file that begins as those of QM9 do."""
    if path.is_dir():
        return next(_list_files(path), None) is not None
    if path.name.endswith(".tar.bz2"):
        return "nsd" in path.name or "qm9" in path.name.lower()
    return path.suffix == ".xyz" and path.is_file() and _begins_so(path)


def _list_files(folder: Path) -> Iterator[Path]:
    return (file for file in sorted(folder.iterdir()) if _NAME.fullmatch(file.name))


def _begins_so(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return re.match(rb"\s*\d+\s*\n\s*gdb\s+\d+\s", file.read(80)) is not None
    except OSError:
        return False


def _read_file(path: Path) -> RawFrame:
    with open_text(path) as stream:
        return _parse(stream.read(LARGEST), str(path))


def _read_archive(path: Path) -> Iterator[RawFrame]:
    try:
        with open(path, "rb") as file, tarfile.open(fileobj=_Bounded(file, path), mode="r|") as archive:
            for member in archive:
                where = f"{path}, {member.name[:80]}"
                stream = archive.extractfile(member) if member.isfile() and member.name.endswith(".xyz") else None
                if stream is None:
                    continue
                if member.size > LARGEST:
                    raise DataError(f"a molecule of {member.size} bytes", where=where, remedy=_REMEDY)
                try:
                    text = stream.read().decode()
                except UnicodeDecodeError:
                    raise DataError("is no text", where=where, remedy=_REMEDY) from None
                yield _parse(text, where)
    except (tarfile.TarError, EOFError) as error:
        raise DataError(f"the archive cannot be read ({error})", where=str(path), remedy="copy it again") from error
    except OSError as error:
        if error.errno is not None:
            raise unreadable(path, error) from error
        raise DataError(f"cannot be decompressed ({error})", where=str(path), remedy="copy it again") from error


class _Bounded(io.RawIOBase):
    """The content of a file of bzip2, of which no more than a limit is given."""

    def __init__(self, file: Any, path: Path):
        self._source, self._path, self._total = bz2.BZ2File(file), path, 0
        self._limit = max(SMALL, EXPANSION * path.stat().st_size)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        content = self._source.read(size)
        self._total += len(content)
        if self._total > self._limit:
            raise DataError(
                f"grows to more than {self._limit >> 20} MB when it is decompressed",
                where=str(self._path),
                remedy="this is not the archive of QM9",
            )
        return content


def _parse(text: str, where: str) -> RawFrame:
    lines = text.splitlines()
    try:
        count = parse_count(lines[0].strip())
        words = lines[1].split()
        rows = [line.split() for line in lines[2 : 2 + count]]
        if words[0] != "gdb" or len(words) != 2 + len(PROPERTIES):
            raise ValueError(f"line 2 has {len(words)} words; expected are gdb, an index and {len(PROPERTIES)} numbers")
        if count < 1 or len(rows) < count or len(lines) < count + 5:
            raise ValueError(f"{len(lines)} lines for {count} atoms; expected are {count + 5}")
        for row, line in enumerate(rows):
            if len(line) != 5:
                raise ValueError(f"atom {row} has {len(line)} columns instead of 5")
        numbers = find_numbers([line[0] for line in rows], where)
        values = _read_numbers([line[1:] for line in rows])
        info: dict[str, Any] = dict(zip(PROPERTIES, _read_numbers(words[2:]).tolist(), strict=True))
        info |= {"index": parse_count(words[1]), "frequencies": _read_numbers(lines[count + 2].split())}
    except (ValueError, IndexError) as error:
        raise DataError(f"cannot be read ({error})", where=where, remedy=_REMEDY) from None
    info |= {"smiles": lines[count + 3].strip(), "inchi": lines[count + 4].strip()}
    arrays = {"mulliken_charges": values[:, 3]}
    return RawFrame(numbers, values[:, :3], np.zeros((3, 3)), np.zeros(3, dtype=bool), info, arrays, where)


def _read_numbers(words: Any) -> np.ndarray:
    """Numbers of which some have exponents as Mathematica writes them, 2.1*^-6."""
    if words and isinstance(words[0], list):
        return parse_floats([[word.replace("*^", "e") for word in row] for row in words])
    return parse_floats([word.replace("*^", "e") for word in words])


QM9 = Format(
    name="qm9",
    recognises=recognise,
    frames=read_frames,
    convention="QM9 as published: hartree, Angstrom, e; the energy is U0, the charges are Mulliken's. U, H and G, also "
    "in hartree, are read by keys={'energy': 'H'}. Its dipole is a length, its polarizability a mean: neither is read",
    units={"energy": "hartree", "length": "Angstrom"},
    aliases={"energy": ("U0",)},
)
