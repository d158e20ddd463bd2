"""What an experiment sees: spectra from trajectories, normal modes from potentials."""

from atnn.observables.correlation import autocorrelation
from atnn.observables.harmonic import ModeMatch, NormalModes, harmonic, hessian, match_modes
from atnn.observables.infrared import infrared
from atnn.observables.kinds import SpectrumSettings
from atnn.observables.minima import Minima, find_minima
from atnn.observables.modes import write_modes
from atnn.observables.power import mode_spectra, power_spectra, power_spectrum
from atnn.observables.raman import raman
from atnn.observables.relaxation import relax
from atnn.observables.spectrum import Spectrum
from atnn.observables.sum_frequency import sum_frequency
from atnn.observables.trajectories import TrajectorySpectra, trajectory_spectra, trajectory_spectrum

__all__ = [
    "Minima",
    "ModeMatch",
    "NormalModes",
    "Spectrum",
    "SpectrumSettings",
    "TrajectorySpectra",
    "autocorrelation",
    "find_minima",
    "harmonic",
    "hessian",
    "infrared",
    "match_modes",
    "mode_spectra",
    "power_spectra",
    "power_spectrum",
    "raman",
    "relax",
    "sum_frequency",
    "trajectory_spectra",
    "trajectory_spectrum",
    "write_modes",
]
