"""Whole pages for what a command leaves behind: a training, an evaluation, a trajectory."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from atnn.dynamics import Trajectory
from atnn.errors import DataError
from atnn.model import load_model
from atnn.quantities import QUANTITIES
from atnn.reports.course import course
from atnn.reports.exhibit import Exhibit, Table
from atnn.reports.learning import learning_curves
from atnn.reports.parity import parity
from atnn.reports.report import Report
from atnn.reports.spelling import PER_ATOM, flatten, spell
from atnn.reports.trajectory import MOST_FRAMES, trajectory_view
from atnn.training import Errors, load_errors, read_history


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
