"""The ``input.data`` of n2p2 and RuNNer: ``begin ... end`` blocks of text, whose units the user declares.

Layout: https://compphysvienna.github.io/n2p2/topics/cfg_file.html
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from atnn.errors import DataError
from atnn.reading.raw import Format, RawFrame, find_numbers
from atnn.reading.text import open_text, parse_floats


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
                block.append(words)
    if block is not None:
        raise DataError("the file ends inside a block", where=f"{path}, frame {index}", remedy="copy the file again")


def _parse_frame(block: list[list[str]], where: str) -> RawFrame:
    atoms = [words[1:] for words in block if words[0] == "atom"]
    if not atoms:
        raise DataError("frame without atoms", where=where, remedy="remove the block")
    stated = [words for words in block if words[0] in ("energy", "charge")]
    if len({words[0] for words in stated}) < len(stated):
        raise DataError("energy or charge is given twice", where=where, remedy="keep the right line")
    try:
        positions = parse_floats([words[:3] for words in atoms])
        lattice = parse_floats([words[1:4] for words in block if words[0] == "lattice"])
        info = {words[0]: float(parse_floats([words[1]])[0]) for words in stated}
        arrays = {"charge": parse_floats([words[4] for words in atoms])}
        arrays["forces"] = parse_floats([words[6:9] for words in atoms])
    except (ValueError, IndexError) as error:
        raise DataError(
            f"a line cannot be read ({error})",
            where=where,
            remedy="atom lines are: atom x y z element charge n fx fy fz",
        ) from None
    if lattice.shape not in ((0,), (3, 3)):
        raise DataError(
            f"{len(lattice)} lattice lines",
            where=where,
            remedy="give three with three numbers each, or none for a molecule",
        )
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
