"""Whole pages for what a command leaves behind: a training, an evaluation, a trajectory, a spectrum."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import NamedTuple

import torch

from atnn.archives import hash_file
from atnn.dynamics import Trajectory
from atnn.errors import DataError
from atnn.files import write_atomically
from atnn.model import load_model
from atnn.observables import Spectrum, trajectory_spectrum
from atnn.observables.records import refuse_other, write_record
from atnn.quantities import QUANTITIES
from atnn.reports.course import course
from atnn.reports.exhibit import Exhibit, Table
from atnn.reports.learning import learning_curves
from atnn.reports.parity import parity
from atnn.reports.report import Report
from atnn.reports.spectra import spectrum
from atnn.reports.spelling import PER_ATOM, flatten, format_value, spell
from atnn.reports.trajectory import MOST_FRAMES, trajectory_view
from atnn.training import Errors, load_errors, read_history

SPECTRUM = "atnn-spectrum"


def training_report(folder: str | os.PathLike) -> Report:
    """Learning curves, errors on the held-out data and provenance of a training.

    Args:
        folder: Output folder of the training, finished or not.

    Raises:
        DataError: It holds no learning curves.
    """
    path = Path(folder)
    history, model = read_history(path), load_model(path / "model.atnn")
    report = Report(
        f"Training {path.name}", subtitle=f"{type(model.representation).__name__}, {len(history)} validations"
    )
    report.add(
        "Training", learning_curves(history), text="Errors during the training, on its own and on held-out data."
    )
    found = {name: path / f"errors_{name}.safetensors" for name in ("validation", "test")}
    errors = {name: load_errors(file) for name, file in found.items() if file.is_file()}
    for name, known in errors.items():
        _add_errors(report, known, name)
    if errors:
        _add_cards(report, *reversed(errors.items()))
    else:
        report.add("Errors", text="The training is not finished; run it again to the end for errors.")
    report.add("Model", _specification(model.specification.model_dump(mode="json")))
    report.provenance.update(model.provenance)
    return report


def evaluation_report(errors: Errors, title: str) -> Report:
    """Parity and error distribution of every quantity.

    Args:
        errors: From :func:`atnn.training.evaluate`.
        title: What was compared with what.
    """
    report = Report("Errors", subtitle=title)
    _add_errors(report, errors, "given")
    _add_cards(report, ("given", errors))
    return report


def _add_cards(report: Report, *sets: tuple[str, Errors]) -> None:
    """Add one card for each quantity: of the first set that has it, per atom where it is known per atom."""
    shown = set()
    for name, errors in sets:
        for what, error in errors.items():
            quantity = what.removesuffix(PER_ATOM)
            if quantity in shown or (what == quantity and what + PER_ATOM in errors):
                continue
            shown.add(quantity)
            spelling = spell(what)
            title = f"{spelling.words.capitalize()} error, {name} (RMSE)"
            report.number(title, error.rmse * spelling.error_factor, spelling.error_unit)


def _error_table(errors: Errors) -> Exhibit:
    """All errors of a set of data side by side."""
    rows = []
    for what, error in errors.items():
        spelling = spell(what)
        sizes = (spelling.error_factor * size for size in (error.rmse, error.mae, error.maximum))
        rows.append([spelling.words, spelling.error_unit, *sizes])
    return Exhibit(table=Table(["quantity", "unit", "RMSE", "MAE", "largest"], rows))


def _add_errors(report: Report, errors: Errors, name: str) -> None:
    figures = [
        parity(e.predicted, e.reference, what, numbers=e.numbers, frames=e.frames, atoms=e.atoms, name=name)
        for what, e in errors.items()
        if what in QUANTITIES
    ]
    report.add(f"Errors on the {name} data", _error_table(errors), *figures, text="Model against reference.")


def _specification(values: dict) -> Exhibit:
    return Exhibit(table=Table(["setting", "value"], list(flatten(values))), caption="What the model is made of.")


class WrittenSpectrum(NamedTuple):
    """A spectrum and the files that hold it.

    Attributes:
        page: HTML page.
        numbers: CSV file.
        record: JSON file that says what made the numbers, and with which settings.
        spectrum: The spectrum.
    """

    page: Path
    numbers: Path
    record: Path
    spectrum: Spectrum

    @property
    def columns(self) -> dict[str, list[float] | list[None]]:
        """Columns of the CSV file, with their units."""
        found = self.spectrum
        errors = [None] * len(found.frequencies) if found.error is None else found.error.tolist()
        numbers = {"wavenumber [cm^-1]": found.frequencies, f"intensity [{found.unit}]": found.intensity}
        return {**{name: values.tolist() for name, values in numbers.items()}, "standard error": errors}


def spectrum_report(
    trajectory: str | os.PathLike,
    output: str | os.PathLike,
    *,
    kind: str = "infrared",
    temperature: float = 300.0,
    correction: str = "harmonic",
    window: str = "hann",
    resolution: float = 20.0,
    maximum: float | None = 4500.0,
) -> WrittenSpectrum:
    """Spectrum of a trajectory as an HTML page, with its numbers in a CSV and what made them in a JSON beside it.

    The spectrum of another run is not replaced; one of the same run is, whatever its settings, and also where the run
    has gone on since.

    Args:
        trajectory: Folder of the trajectory; all its structures must be copies of one.
        output: HTML file.
        kind: ``infrared`` or ``power``.
        temperature: Temperature of the trajectories [K].
        correction: Quantum correction of the infrared spectrum.
        window, resolution, maximum: As in :func:`atnn.observables.infrared`.

    Returns:
        Paths of the page, the numbers and the record, and the spectrum.

    Raises:
        DataError: No such trajectory, no dipoles in it, different structures in one, or the files are those of another.
    """
    path, page = Path(trajectory), Path(output)
    if page.suffix in (".csv", ".json"):
        raise DataError("the page is HTML", where=str(page), remedy="give it a name that ends in .html")
    source, record = Trajectory(path), page.with_suffix(".json")
    refuse_other(record, SPECTRUM, {"run": source.run})
    found = trajectory_spectrum(source, kind, temperature, correction, window, resolution, maximum)
    report = Report(f"{kind.capitalize()} spectrum", subtitle=str(path))
    report.add(
        f"{kind.capitalize()} spectrum",
        spectrum(found.frequencies, found.intensity, found.error, unit=found.unit, kind=kind, highest=maximum),
        text=f"At {temperature:g} K, resolution {format_value(found.resolution, digits=3)} cm⁻¹"
        + (f", quantum correction {correction}." if kind == "infrared" else "."),
    )
    report.provenance.update(found.origin)
    settings: dict[str, float | str | None] = {"kind": kind, "temperature": temperature, "window": window}
    settings |= {"correction": correction if kind == "infrared" else None}
    settings |= {"resolution": found.resolution, "maximum": maximum}
    return _write_spectrum(report, page, record, found, settings)


def _write_spectrum(
    report: Report, page: Path, record: Path, found: Spectrum, settings: dict[str, float | str | None]
) -> WrittenSpectrum:
    written = WrittenSpectrum(report.write(page), page.with_suffix(".csv"), record, found)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(written.columns)
    writer.writerows(zip(*written.columns.values(), strict=True))  # None is written as nothing
    write_atomically(written.numbers, text.getvalue())
    content = {
        "settings": settings,
        "units": {"temperature": "K", "resolution": "cm^-1", "maximum": "cm^-1"},
        "numbers": {"file": written.numbers.name, "hash": hash_file(written.numbers)},
    }
    write_record(record, SPECTRUM, found.origin, content)
    return written


def trajectory_report(path: str | Path) -> Report:
    """Course of the energy and of every quantity of the table that a trajectory holds, and its first structure moving.

    Args:
        path: Folder of the trajectory.

    Raises:
        DataError: It holds no trajectory, one without a frame, or none that ran to the end.
    """
    frames = Trajectory(path)
    times, start, whole = frames.times, frames.structures(0), frames.whole
    if not bool(whole.any()):
        raise DataError(
            "all trajectories ended before the run did",
            where=str(path),
            remedy="see `Trajectory.ended`",
        )
    courses = [course(times, frames.read("potential", structures=whole), "energy")]
    courses += [
        course(times, frames.read(name, structures=whole), name) for name in QUANTITIES if name in frames.quantities
    ]
    report = Report(f"Trajectory {frames.path.name}", subtitle=f"{len(frames)} frames, {len(start)} structures")
    report.add("Course", *courses, text="Potential energy, and what else was kept of each frame.")
    number = int(whole.nonzero()[0])
    first = start.select([int((frames.lengths[:number] > 0).sum())])  # of those that are in the first frame
    shown = torch.linspace(0, len(frames) - 1, min(MOST_FRAMES, len(frames))).round().long().tolist()
    positions = torch.cat([frames.read("positions", k, k + 1, structures=[number]) for k in shown])
    view = trajectory_view(positions, first.numbers, times[shown], first.cell[0])
    report.add("Motion", view, text="The first structure.")
    return report
