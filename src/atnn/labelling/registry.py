"""The labellers that come with the package, by the name of their program."""

from __future__ import annotations

from collections.abc import Callable

from atnn.labelling.protocol import Labeller
from atnn.labelling.pyscf import PyscfLabeller
from atnn.labelling.tblite import TbliteLabeller

# Program -> labeller; every labeller has a default for each of its settings.
LABELLERS: dict[str, Callable[..., Labeller]] = {"tblite": TbliteLabeller, "pyscf": PyscfLabeller}
