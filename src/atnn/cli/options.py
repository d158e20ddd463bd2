"""Values that the options accept."""

from enum import StrEnum
from pathlib import Path

LARGEST_SEED = 2**63 - 1  # what generators of torch and numpy take


class Document(StrEnum):
    """YAML documents that have a JSON schema."""

    train = "train"
    model = "model"


class Correction(StrEnum):
    """Quantum corrections of :func:`atnn.observables.infrared`."""

    harmonic = "harmonic"
    classical = "classical"
    standard = "standard"
    schofield = "schofield"
    none = "none"


class Window(StrEnum):
    """Windows of the correlation function."""

    hann = "hann"
    gaussian = "gaussian"
    blackman = "blackman"


class Format(StrEnum):
    """Files that a trajectory is exported to."""

    extxyz = "extxyz"
    traj = "traj"
    h5md = "h5md"

    def beside(self, folder: Path) -> Path:
        """Name of the file beside the folder of a trajectory, which may itself end in ``.traj``."""
        ending = {"extxyz": "xyz", "traj": "ase.traj", "h5md": "h5md"}[self]
        return folder.parent / f"{folder.stem or 'md'}.{ending}"


class Molecule(StrEnum):
    """Molecules of the demonstration."""

    formic_acid = "formic acid"
    ethanol = "ethanol"
    water = "water"


class Level(StrEnum):
    """Methods that compute the labels of the demonstration."""

    xtb = "xtb"
    dft = "dft"
