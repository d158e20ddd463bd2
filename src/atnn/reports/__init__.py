"""Reports: one function makes one figure with its table; :class:`Report` gathers them into one HTML file."""

from atnn.reports.course import course
from atnn.reports.data import data_summary
from atnn.reports.energy import drift, energy_drift
from atnn.reports.exhibit import Exhibit, KeyNumber, Motion, Section, Table, View3D
from atnn.reports.learning import learning_curves
from atnn.reports.parity import parity
from atnn.reports.report import Report
from atnn.reports.runs import evaluation_report, training_report, trajectory_report
from atnn.reports.spectra import Sticks, frequencies, spectrum
from atnn.reports.spectrum_page import spectrum_report
from atnn.reports.trajectory import trajectory_view
from atnn.reports.vibrations import broadened, mode_table, mode_view, modes_report

__all__ = [
    "Exhibit",
    "KeyNumber",
    "Motion",
    "Report",
    "Section",
    "Sticks",
    "Table",
    "View3D",
    "broadened",
    "course",
    "data_summary",
    "drift",
    "energy_drift",
    "evaluation_report",
    "frequencies",
    "learning_curves",
    "mode_table",
    "mode_view",
    "modes_report",
    "parity",
    "spectrum",
    "spectrum_report",
    "training_report",
    "trajectory_report",
    "trajectory_view",
]
