"""The ``input.data`` of n2p2 and RuNNer: ``begin ... end`` blocks of text, whose units the user declares.

Layout: https://compphysvienna.github.io/n2p2/topics/cfg_file.html
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from atnn.errors import DataError
from atnn.reading.raw import Format, RawFrame, find_numbers
from atnn.reading.text import open_text

_NUMBERS = ("atom", "lattice", "energy", "charge")


def read_frames(path: Path) -> Iterator[RawFrame]:
    """Frames of an ``input.data`` file.

    Raises:
        DataError: A block is not closed or a line cannot be understood.
    """
    block: list[list[str]] | None = None
    index = 0
    with open_text(path) as stream:
        for line in stream:
            words = line.split()
            if not words:
                continue
            where = f"{path}, frame {index}"
            if words[0] == "begin":
                if block is not None:
                    raise DataError("'begin' before 'end'", where=where, remedy="close the block")
                block = []
            elif words[0] == "end":
                if block is None:
                    raise DataError("'end' without 'begin'", where=where, remedy="open the block")
                yield _parse_frame(block, where)
                block, index = None, index + 1
            elif block is not None:
                if "_" in line and words[0] in _NUMBERS:  # Python takes 1_0 for 10
                    raise DataError("a number with an underscore", where=where, remedy=f"repair {line.strip()[:80]!r}")
                block.append(words)
    if block is not None:
        raise DataError("the file ends inside a block", where=f"{path}, frame {index}", remedy="copy the file again")


def _parse_frame(block: list[list[str]], where: str) -> RawFrame:
    atoms = [words[1:] for words in block if words[0] == "atom"]
    if not atoms:
        raise DataError("frame without atoms", where=where, remedy="remove the block")
    names = [words[0] for words in block]
    if twice := [name for name in ("energy", "charge") if names.count(name) > 1]:
        raise DataError(f"{twice[0]} is given twice", where=where, remedy="remove the wrong one")
    try:
        positions = np.array([words[:3] for words in atoms], dtype=np.float64)
        lattice = np.array([words[1:4] for words in block if words[0] == "lattice"], dtype=np.float64)
        info = {words[0]: float(words[1]) for words in block if words[0] in ("energy", "charge")}
        arrays = {"charge": np.array([float(words[4]) for words in atoms])}
        arrays["forces"] = np.array([words[6:9] for words in atoms], dtype=np.float64)
    except (ValueError, IndexError) as error:
        raise DataError(
            f"a line cannot be read ({error})",
            where=where,
            remedy="atom lines are: atom x y z element charge n fx fy fz",
        ) from None
    if len(lattice) not in (0, 3):
        raise DataError(f"{len(lattice)} lattice lines", where=where, remedy="give three, or none for a molecule")
    periodic = len(lattice) == 3
    return RawFrame(
        numbers=find_numbers([words[3] for words in atoms], where),
        positions=positions,
        cell=lattice if periodic else np.zeros((3, 3)),
        pbc=np.full(3, periodic),
        info=info,
        arrays=arrays,
        where=where,
    )


RUNNER = Format(
    name="runner",
    recognises=lambda path: path.suffix == ".data" and path.is_file(),
    frames=read_frames,
    convention="n2p2/RuNNer input.data: units as declared; energy is the total energy, charges are per atom",
    aliases={"charges": ("charge",)},
)
