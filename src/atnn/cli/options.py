"""Values that the options accept."""

from enum import StrEnum

LARGEST_SEED = 2**63 - 1  # what generators of torch and numpy take


class Document(StrEnum):
    """YAML documents that have a JSON schema."""

    train = "train"
    model = "model"


class Kind(StrEnum):
    """Spectra of a trajectory."""

    infrared = "infrared"
    power = "power"


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


class Molecule(StrEnum):
    """Molecules of the demonstration."""

    formic_acid = "formic acid"
    ethanol = "ethanol"
    water = "water"


class Level(StrEnum):
    """Methods that compute the labels of the demonstration."""

    xtb = "xtb"
    dft = "dft"
