"""What an experiment sees: spectra from trajectories, normal modes from potentials."""

from atnn.observables.correlation import autocorrelation
from atnn.observables.harmonic import ModeMatch, NormalModes, harmonic, hessian, match_modes
from atnn.observables.infrared import infrared, power_spectrum
from atnn.observables.minima import Minima, find_minima
from atnn.observables.modes import write_modes
from atnn.observables.relaxation import relax
from atnn.observables.spectrum import Spectrum
from atnn.observables.trajectories import trajectory_spectrum

__all__ = [
    "Minima",
    "ModeMatch",
    "NormalModes",
    "Spectrum",
    "autocorrelation",
    "find_minima",
    "harmonic",
    "hessian",
    "infrared",
    "match_modes",
    "power_spectrum",
    "relax",
    "trajectory_spectrum",
    "write_modes",
]
