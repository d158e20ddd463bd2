"""What an experiment sees: spectra from trajectories, normal modes from potentials."""

from atnn.observables.correlation import autocorrelation
from atnn.observables.harmonic import ModeMatch, NormalModes, harmonic, hessian, match_modes
from atnn.observables.infrared import infrared, power_spectrum
from atnn.observables.minima import Minima, find_minima
from atnn.observables.modes import write_modes
from atnn.observables.orbitals import Orbitals, find_orbitals, mulliken_charges, solve_orbitals
from atnn.observables.relaxation import relax
from atnn.observables.spectrum import Spectrum
from atnn.observables.trajectories import trajectory_spectrum

__all__ = [
    "Minima",
    "ModeMatch",
    "NormalModes",
    "Orbitals",
    "Spectrum",
    "autocorrelation",
    "find_minima",
    "find_orbitals",
    "harmonic",
    "hessian",
    "infrared",
    "match_modes",
    "mulliken_charges",
    "power_spectrum",
    "relax",
    "solve_orbitals",
    "trajectory_spectrum",
    "write_modes",
]
