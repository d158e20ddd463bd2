"""Settings of a demonstration; the defaults take minutes on two cores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field

from atnn.documents import read_json
from atnn.errors import DataError
from atnn.files import write_atomically
from atnn.specification import Specification

MOLECULES = {"formic acid": "HCOOH", "ethanol": "CH3CH2OH", "water": "H2O"}  # names -> ASE's molecules


class Level(NamedTuple):
    """A level of theory.

    Attributes:
        program: Name of the labeller in :data:`atnn.labelling.LABELLERS`; its default settings are used.
        method: The method in words.
        geometries: How many geometries are labelled by default.
    """

    program: str
    method: str
    geometries: int


LEVELS = {
    "xtb": Level("tblite", "GFN2-xTB", 500),
    "dft": Level("pyscf", "B3LYP/def2-SVP", 120),  # a label takes seconds
}


class DemoSettings(Specification):
    """Settings of :func:`atnn.demo.run_demo`; defaults are those of ``make demo``."""

    molecule: Literal["formic acid", "ethanol", "water"] = Field("formic acid", description="what to look at")
    level: Literal["xtb", "dft"] = Field("xtb", description="labels: GFN2-xTB, or B3LYP/def2-SVP through PySCF")
    geometries: int = Field(500, ge=20, le=1_000_000, description="labelled geometries")
    seed: int = Field(0, ge=0, lt=2**63, description="of sampling, split, training and dynamics")
    epochs: int = Field(100, ge=1, description="passes over the training data")
    rounds: int = Field(2, ge=0, le=8, description="message-passing rounds of the REANN")
    copies: int = Field(48, ge=2, le=10_000, description="trajectories at constant energy")
    picoseconds: float = Field(2.0, gt=0, description="length of each trajectory")
    temperature: float = Field(300.0, gt=0, description="temperature of the dynamics [K]")

    @property
    def method(self) -> str:
        """The reference method in words."""
        return LEVELS[self.level].method


def claim(folder: Path, settings: DemoSettings) -> None:
    """Make the folder, or make sure that what lies in it was made with the same settings.

    Raises:
        DataError: It was made with others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, wanted = folder / "settings.json", settings.model_dump(mode="json")
    if path.exists():
        found: dict[str, Any] = read_json(path)
        changed = [name for name in wanted if found.get(name) != wanted[name]]
        if changed:
            raise DataError(
                f"holds a demonstration with another {', '.join(changed)}",
                where=str(folder),
                remedy="choose another folder, or remove this one",
            )
    else:
        write_atomically(path, json.dumps(wanted, indent=1) + "\n")
