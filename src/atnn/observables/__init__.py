"""What an experiment sees: spectra from trajectories, normal modes from potentials."""

from atnn.observables.anharmonic import Levels, vibrational_levels
from atnn.observables.broadening import broaden
from atnn.observables.correlation import autocorrelation
from atnn.observables.curvature import Curvature, curvature, hessian
from atnn.observables.damping import Damping, damping
from atnn.observables.harmonic import NormalModes, harmonic, normal_modes
from atnn.observables.infrared import infrared
from atnn.observables.isotopes import ISOTOPES, isotope_masses, name_isotopologue
from atnn.observables.kinds import SpectrumSettings
from atnn.observables.matching import ModeMatch, match_modes
from atnn.observables.minima import Minima, find_minima
from atnn.observables.modes import check_modes_file, list_modes, write_modes
from atnn.observables.orbitals import Orbitals, find_orbitals, mulliken_charges, solve_orbitals
from atnn.observables.perturbation import AnharmonicConstants, vpt2
from atnn.observables.power import mode_spectra, power_spectra, power_spectrum
from atnn.observables.raman import raman
from atnn.observables.relaxation import relax
from atnn.observables.scattering import raman_intensities
from atnn.observables.spectrum import Spectrum
from atnn.observables.sum_frequency import sum_frequency
from atnn.observables.symmetry import symmetry_number
from atnn.observables.thermochemistry import Thermochemistry, thermochemistry
from atnn.observables.trajectories import TrajectorySpectra, trajectory_spectra, trajectory_spectrum
from atnn.observables.vibrations import Vibrations, analyse_vibrations

__all__ = [
    "ISOTOPES",
    "AnharmonicConstants",
    "Curvature",
    "Damping",
    "Levels",
    "Minima",
    "ModeMatch",
    "NormalModes",
    "Orbitals",
    "Spectrum",
    "SpectrumSettings",
    "Thermochemistry",
    "TrajectorySpectra",
    "Vibrations",
    "analyse_vibrations",
    "autocorrelation",
    "broaden",
    "check_modes_file",
    "curvature",
    "damping",
    "find_minima",
    "find_orbitals",
    "harmonic",
    "hessian",
    "infrared",
    "isotope_masses",
    "list_modes",
    "match_modes",
    "mode_spectra",
    "mulliken_charges",
    "name_isotopologue",
    "normal_modes",
    "power_spectra",
    "power_spectrum",
    "raman",
    "raman_intensities",
    "relax",
    "solve_orbitals",
    "sum_frequency",
    "symmetry_number",
    "thermochemistry",
    "trajectory_spectra",
    "trajectory_spectrum",
    "vibrational_levels",
    "vpt2",
    "write_modes",
]
