"""What may be stated of a structure beside its geometry: numbers of the whole, and marks of its atoms."""

from __future__ import annotations

from typing import NamedTuple

from atnn.units import CHARGE, FIELD, NUMBER, Dimension


class Stated(NamedTuple):
    """A number or vector that may be stated for each structure beside its geometry.

    Attributes:
        key: Name in files and in the ``info`` of ASE.
        shape: Shape of one value.
        integer: True for integers.
        dimension: Powers of energy, length, charge and time.
        ignorable: True if training may ignore it with a warning; predictions never ignore it.
        words: Words for a value that is not zero, for messages.
        aliases: Further names in files.
    """

    key: str
    shape: tuple[int, ...]
    integer: bool
    dimension: Dimension
    ignorable: bool
    words: str
    aliases: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """:attr:`words` without the article, for tables."""
        return self.words.removeprefix("an ").removeprefix("a ")


# Fields of Structures that are None if they are not stated, and then count as zero.
STATED: dict[str, Stated] = {
    "charge": Stated("charge", (), False, CHARGE, True, "a total charge", ("total_charge", "Charge")),
    "spin": Stated("spin", (), True, NUMBER, True, "unpaired electrons", ("unpaired_electrons",)),
    "field": Stated("electric_field", (3,), False, FIELD, False, "an electric field"),
}

# Fields of Structures that mark atoms, or are None if no atom is marked.
MARKS = ("fixed", "adsorbate")
ADSORBATE = "adsorbate"  # key in files and in the ``arrays`` of ASE
