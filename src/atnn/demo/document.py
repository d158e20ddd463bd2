"""The demonstration's report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from atnn import reports
from atnn.data import Dataset
from atnn.demo import stages
from atnn.demo.settings import DemoSettings
from atnn.dynamics import RunReport, Trajectory
from atnn.observables import NormalModes, Spectrum
from atnn.quantities import quantity
from atnn.reports.spelling import spell
from atnn.training import TrainingResult

CARDS = {
    "force_rmse": ("Force error, held out (RMSE)", spell("forces").error_unit),
    "frequency_difference": ("Harmonic frequencies, mean difference", "cm⁻¹"),
    "drift": ("Energy drift at constant energy", "meV/atom/ps"),
    "energy_rmse": ("Energy error, held out (RMSE)", spell("energy_per_atom").error_unit),
    "dipole_rmse": ("Dipole error, held out (RMSE)", spell("dipole").error_unit),
}


def write_report(
    folder: Path,
    settings: DemoSettings,
    datasets: Mapping[str, Dataset],
    trained: TrainingResult,
    run: RunReport,
    numbers: Mapping[str, float],
    targets: Mapping[str, float],
    *,
    model: NormalModes,
    direct: NormalModes,
    spectrum: Spectrum,
) -> Path:
    """Write ``report.html``: data, learning curves, parity plots, spectrum and direct frequencies, a moving picture."""
    report = reports.Report(
        f"{settings.molecule.capitalize()}: from quantum chemistry to an infrared spectrum",
        subtitle=f"REANN trained on {settings.geometries} geometries labelled with {settings.method}",
    )
    for name, (words, unit) in CARDS.items():
        report.number(words, numbers[name], unit, targets.get(name))
    _training(report, settings, datasets, trained)
    _vibrations(report, settings, model, direct, spectrum, run)
    _trajectories(report, settings, folder, run)
    learned = {name: value for name, value in trained.model.provenance.items() if name != "config"}
    report.provenance.update({**settings.model_dump(), "method": settings.method, **learned})
    return report.write(folder / "report.html")


def _training(
    report: reports.Report, settings: DemoSettings, datasets: Mapping[str, Dataset], trained: TrainingResult
) -> None:
    report.add(
        "Data",
        reports.data_summary({name: dataset.summary for name, dataset in datasets.items()}),
        text=f"Geometries of {settings.molecule} were sampled with GFN2-xTB, half from Langevin dynamics and half "
        f"displaced along normal modes at {', '.join(f'{t:g}' for t in stages.TEMPERATURES)} K, and labelled with "
        f"{settings.method}. The test set was held out of the training.",
    )
    report.add("Training", reports.learning_curves(trained.history), text="Errors on training and validation data.")
    held_out = trained.errors["test"]
    tested = datasets["test"][range(len(datasets["test"]))].structures
    figures = [
        reports.parity(
            held_out[name].predicted,
            held_out[name].reference,
            name,
            counts=tested.counts if quantity(name).per_atom else None,
            numbers=held_out[name].numbers,
            frames=tested.rows(quantity(name).axis).numpy(),
            name="held-out",
        )
        for name in stages.LEARNED
    ]
    report.add("Errors on held-out geometries", *figures, text="Model against reference on data it has never seen.")


def _vibrations(
    report: reports.Report,
    settings: DemoSettings,
    model: NormalModes,
    direct: NormalModes,
    spectrum: Spectrum,
    run: RunReport,
) -> None:
    order, heights = stages.pair_modes(model, direct), _intensities(direct)
    report.add(
        "Infrared spectrum",
        reports.spectrum(
            spectrum.frequencies,
            spectrum.intensity,
            spectrum.error,
            model=_sticks(model),
            direct=_sticks(direct),
            unit=spectrum.unit,
        ),
        reports.frequencies(model.frequencies, direct.frequencies[order], model.intensities, heights[order]),
        text=f"From the dipole's time derivative along {settings.copies} trajectories at {run.temperature:.0f} K, "
        f"with a resolution of {spectrum.resolution:.0f} cm⁻¹. Direct means computed with {settings.method} itself.",
    )


def _intensities(modes: NormalModes) -> np.ndarray:
    assert modes.intensities is not None, "both potentials give dipoles"
    return modes.intensities


def _sticks(modes: NormalModes) -> reports.Sticks:
    return reports.Sticks(modes.frequencies, _intensities(modes))


def _trajectories(report: reports.Report, settings: DemoSettings, folder: Path, run: RunReport) -> None:
    atoms = int(run.state.structures.counts[0])
    energies = (run.series["potential"] + run.series["kinetic"])[:, run.numbers]
    trajectory = Trajectory(folder / "dynamics")
    frames = min(len(trajectory), 150)
    positions = trajectory.read("positions", 0, frames, structures=[int(run.numbers[0])])
    report.add(
        "Dynamics at constant energy",
        reports.energy_drift(run.series["times"], energies, atoms),
        reports.trajectory_view(positions, run.state.structures.numbers[:atoms], trajectory.times[:frames]),
        text=f"{settings.copies} trajectories of {settings.picoseconds:g} ps with steps of {stages.TIMESTEP:g} fs, "
        f"after {stages.EQUILIBRATION * settings.picoseconds:g} ps of Langevin dynamics; below, the first of them.",
    )
