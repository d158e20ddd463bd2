"""Reports: one function makes one figure with its table; :class:`Report` gathers them into one HTML file."""

from atnn.reports.data import data_summary
from atnn.reports.energy import drift, energy_drift
from atnn.reports.exhibit import Exhibit, KeyNumber, Table, View3D
from atnn.reports.learning import learning_curves
from atnn.reports.parity import parity
from atnn.reports.report import Report, Section
from atnn.reports.runs import evaluation_report, spectrum_report, training_report, trajectory_spectrum
from atnn.reports.spectra import Sticks, frequencies, spectrum
from atnn.reports.trajectory import trajectory_view

__all__ = [
    "Exhibit",
    "KeyNumber",
    "Report",
    "Section",
    "Sticks",
    "Table",
    "View3D",
    "data_summary",
    "drift",
    "energy_drift",
    "evaluation_report",
    "frequencies",
    "learning_curves",
    "parity",
    "spectrum",
    "spectrum_report",
    "training_report",
    "trajectory_spectrum",
    "trajectory_view",
]
