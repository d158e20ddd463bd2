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
    "polarizability_rmse": ("Polarizability error, held out (RMSE)", spell("polarizability").error_unit),
    "activity_difference": ("Raman activities, mean difference", "Å⁴/amu"),
}


STICKS = {"infrared": ("intensities", "km/mol"), "raman": ("activities", "Å⁴/amu")}  # heights of lines, their unit


def write_report(
    folder: Path,
    settings: DemoSettings,
    datasets: Mapping[str, Dataset],
    trained: TrainingResult,
    surface: TrainingResult,
    run: RunReport,
    numbers: Mapping[str, float],
    targets: Mapping[str, float],
    *,
    model: NormalModes,
    direct: NormalModes,
    spectra: Mapping[str, Spectrum],
) -> Path:
    """Write ``report.html``: data, learning curves, parity plots, spectra and direct lines, a moving picture."""
    report = reports.Report(
        f"{settings.molecule.capitalize()}: from quantum chemistry to infrared and Raman spectra",
        subtitle=f"REANN trained on {settings.geometries} geometries labelled with {settings.method}",
    )
    for name, (words, unit) in CARDS.items():
        report.number(words, numbers[name], unit, targets.get(name))
    _training(report, settings, datasets, trained, surface)
    _vibrations(report, settings, model, direct, spectra, run)
    _trajectories(report, settings, folder, run)
    learned = {name: value for name, value in trained.model.provenance.items() if name != "config"}
    report.provenance.update({**settings.model_dump(), "method": settings.method, **learned})
    return report.write(folder / "report.html")


def _training(
    report: reports.Report,
    settings: DemoSettings,
    datasets: Mapping[str, Dataset],
    trained: TrainingResult,
    surface: TrainingResult,
) -> None:
    report.add(
        "Data",
        reports.data_summary({name: dataset.summary for name, dataset in datasets.items()}),
        text=f"Geometries of {settings.molecule} were sampled with GFN2-xTB, half from Langevin dynamics and half "
        f"displaced along normal modes at {', '.join(f'{t:g}' for t in stages.TEMPERATURES)} K, and labelled with "
        f"{settings.method}. The test set was held out of the training.",
    )
    report.add(
        "Training",
        reports.learning_curves(trained.history),
        reports.learning_curves(surface.history),
        text="Errors on training and validation data: of the model of energies, forces and dipoles, and of the model "
        "of polarizabilities.",
    )
    held_out = {**trained.errors["test"], **surface.errors["test"]}
    tested = datasets["test"][range(len(datasets["test"]))].structures
    figures = [
        reports.parity(
            held_out[name].predicted,
            held_out[name].reference,
            name,
            counts=tested.counts if quantity(name).per_atom else None,
            numbers=held_out[name].numbers,
            frames=held_out[name].frames,
            atoms=held_out[name].atoms,
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
    spectra: Mapping[str, Spectrum],
    run: RunReport,
) -> None:
    order = stages.pair_modes(model, direct)
    resolution = spectra["infrared"].resolution
    of = f"along {settings.copies} trajectories at {run.temperature:.0f} K, with a resolution of {resolution:.0f} cm⁻¹"
    report.add(
        "Infrared spectrum",
        _spectrum(spectra["infrared"], "infrared", model, direct),
        reports.frequencies(
            model.frequencies, direct.frequencies[order], model.intensities, _heights(direct, "infrared")[order]
        ),
        text=f"From the dipole's time derivative {of}. Direct means computed with {settings.method} itself.",
    )
    report.add(
        "Raman spectrum",
        _spectrum(spectra["raman"], "raman", model, direct),
        reports.frequencies(
            model.frequencies, direct.frequencies[order], model.activities, _heights(direct, "raman")[order],
            unit=STICKS["raman"][1],
        ),
        text=f"From the polarizability's time derivative {of}: all light scattered at a right angle, without the "
        f"factors of the frequency of a laser.{_caution(settings)}",
    )  # fmt: skip


def _caution(settings: DemoSettings) -> str:
    if settings.level != "xtb":
        return ""
    return (
        f" The small basis of {settings.method} makes polarizabilities too small. Compare the model with the lines of "
        "the method, and neither of them with an experiment."
    )


def _spectrum(spectrum: Spectrum, kind: str, model: NormalModes, direct: NormalModes) -> reports.Exhibit:
    return reports.spectrum(
        spectrum.frequencies,
        spectrum.intensity,
        spectrum.error,
        model=reports.Sticks(model.frequencies, _heights(model, kind)),
        direct=reports.Sticks(direct.frequencies, _heights(direct, kind)),
        unit=spectrum.unit,
        kind=kind,
        stick_unit=STICKS[kind][1],
    )


def _heights(modes: NormalModes, kind: str) -> np.ndarray:
    heights = getattr(modes, STICKS[kind][0])
    assert heights is not None, "both potentials give dipoles and polarizabilities"
    return heights


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
