"""The Open Catalyst sets: pairs of ``.extxyz.xz`` and ``.txt.xz``. Their LMDB files are refused.

Chanussot et al., ACS Catal. 11, 6059 (2021), doi:10.1021/acscatal.0c04525. Each line of the text is
``system_id,frame,reference_energy`` of a structure: the energy of the clean slab and of the molecule in the gas phase.
Models learn the adsorption energy, which is the energy less this reference.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import NoReturn

import numpy as np

from atnn.errors import DataError
from atnn.reading.raw import ASE_UNITS, Format, RawFrame
from atnn.reading.readers.extxyz import read_frames as read_extxyz
from atnn.reading.text import open_text, parse_count, parse_floats

ADSORBATE_TAG = 2


def read_frames(path: Path) -> Iterator[RawFrame]:
    """Structures of a file or of all files of a folder, with adsorption energies and marked adsorbates.

    Raises:
        DataError: A line of either file cannot be understood, or they do not have equal numbers of structures.
    """
    for file in _list_files(path):
        companion = _find_companion(file)
        if companion is None:
            raise DataError(
                "there is no text with reference energies beside it",
                where=str(file),
                remedy=f"copy {_stem(file)}.txt.xz, too, or read the file by itself for total energies",
            )
        with open_text(companion) as stream:
            for index, (frame, line) in enumerate(zip_longest(read_extxyz(file), stream)):
                if frame is None or line is None:
                    more, less = (companion, file) if frame is None else (file, companion)
                    raise DataError(
                        f"has more structures than {less.name}, which ends after {index}",
                        where=str(more),
                        remedy="copy both files again",
                    )
                yield _refer(frame, line, f"{companion}, line {index + 1}")


def recognise(path: Path) -> bool:
    """Whether a path is a structure file of a pair, or a folder of such pairs."""
    if path.is_dir():
        return any(_find_companion(file) is not None for file in _list_files(path))
    return path.name.endswith((".extxyz.xz", ".extxyz")) and _find_companion(path) is not None


def _list_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found = [file for file in path.iterdir() if file.name.endswith((".extxyz.xz", ".extxyz"))]
    return sorted(found, key=lambda file: (len(_stem(file)), file.name))  # 2 before 10


def _stem(file: Path) -> str:
    return file.name.removesuffix(".xz").removesuffix(".extxyz")


def _find_companion(file: Path) -> Path | None:
    candidates = (file.with_name(_stem(file) + ending) for ending in (".txt.xz", ".txt"))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _refer(frame: RawFrame, line: str, where: str) -> RawFrame:
    """The frame with its energy relative to the reference; the energies of the file keep a name of their own."""
    try:
        system, number, energy = line.strip().split(",")
        step, reference = parse_count(number.removeprefix("frame")), float(parse_floats([energy])[0])
    except ValueError as error:
        remedy = "write system_id,frame,reference_energy, or copy the file again"
        raise DataError(f"cannot be read ({error})", where=where, remedy=remedy) from None
    info = {f"raw_{key}" if key in ("energy", "free_energy") else key: value for key, value in frame.info.items()}
    info |= {"system_id": system, "frame": step, "reference_energy": reference}
    total = info.get("raw_energy")
    if isinstance(total, int | float) and math.isfinite(total):
        info["energy"] = total - reference
    arrays = dict(frame.arrays)
    if "tags" in arrays:
        arrays["adsorbate"] = np.asarray(arrays["tags"]) == ADSORBATE_TAG
    return frame._replace(info=info, arrays=arrays)


def refuse_lmdb(path: Path) -> NoReturn:
    """Refuse LMDB files.

    Raises:
        DataError: Always.
    """
    raise DataError(
        "the entries of LMDB files are pickles, which may run any program when they are loaded, so they are never read",
        where=str(path),
        remedy="read the .extxyz.xz and .txt.xz files of the same set, which are published beside it (atnn data get "
        "oc20-s2ef-200k), or write extended XYZ with the program that made the file",
    )


OCP = Format(
    name="ocp",
    recognises=recognise,
    frames=read_frames,
    convention="Open Catalyst S2EF: eV, Angstrom; the energy is that of adsorption, energy less reference_energy; "
    "keys={'energy': 'raw_energy'} reads the total. Atoms with the tag 2 are the adsorbate",
    units=ASE_UNITS,
)
LMDB = Format(
    name="lmdb",
    recognises=lambda path: path.suffix == ".lmdb" or (path.is_dir() and (path / "data.mdb").exists()),
    frames=refuse_lmdb,
    convention="LMDB: refused, because the entries are pickles",
    units=ASE_UNITS,
)
