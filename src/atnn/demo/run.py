"""The demonstration from its settings to its report."""

from __future__ import annotations

import copy
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from atnn.demo import stages
from atnn.demo.document import write_report
from atnn.demo.settings import LEVELS, DemoSettings, claim
from atnn.dynamics import RunReport
from atnn.files import write_atomically
from atnn.model import Composed, ModelPotential
from atnn.observables import NormalModes
from atnn.progress import logger as progress
from atnn.specification import parse
from atnn.training import Errors
from atnn.units import coulomb, meV

THREADS = 1  # the tensors of a small molecule are too small to share: two threads would wait for each other
TARGETS = {"force_rmse": 10.0, "frequency_difference": 10.0, "drift": 1.0}


@dataclass(frozen=True)
class DemoResult:
    """What a demonstration found.

    Attributes:
        report: The HTML report.
        numbers: Its key numbers: ``energy_rmse`` [meV/atom], ``force_rmse`` [meV/Angstrom], ``dipole_rmse``
            [me Angstrom], ``polarizability_rmse`` [Angstrom^3], ``frequency_difference`` (mean, [cm^-1]),
            ``intensity_difference`` (mean, [km/mol]), ``activity_difference`` (mean, [Angstrom^4/amu]),
            ``activity_difference_relative`` (mean over mean activity), ``drift`` (mean over trajectories,
            [meV/atom/ps]), ``temperature`` [K].
        seconds: Wall time of each stage of this call [s].
    """

    report: Path
    numbers: dict[str, float]
    seconds: dict[str, float]


def run_demo(
    output: str | Path,
    molecule: str = "formic acid",
    level: str = "xtb",
    geometries: int | None = None,
    seed: int = 0,
    **knobs: Any,
) -> DemoResult:
    """Label, train, simulate, compare and report. What ``output`` already holds is not computed again.

    Geometries of a small molecule are sampled and labelled by quantum chemistry, a REANN learns energies, forces and
    dipoles, and another one polarizabilities. Trajectories of the first give an infrared and a Raman spectrum. Harmonic
    frequencies, intensities and Raman activities are compared with those computed directly with the method that
    labelled.

    Args:
        output: Folder of everything that is written; ``report.html`` is the one to look at.
        molecule: ``formic acid``, ``ethanol`` or ``water``.
        level: ``xtb`` (GFN2-xTB, minutes) or ``dft`` (B3LYP/def2-SVP, about an hour, 120 geometries by default).
        geometries: Number of labelled geometries.
        seed: Of everything random.
        knobs: Further fields of :class:`~atnn.demo.settings.DemoSettings`, for shorter or longer runs.

    Raises:
        SpecificationError: Unknown molecule, level or knob.
        DataError: ``output`` holds a demonstration with other settings.
        LabellingError: Too many calculations failed.
    """
    folder = Path(output)
    count = geometries if geometries is not None else LEVELS.get(level, LEVELS["xtb"]).geometries
    given = {"molecule": molecule, "level": level, "geometries": count, "seed": seed, **knobs}
    settings = parse(DemoSettings, given, where="demo")
    claim(folder, settings)
    console = Console(stderr=True, quiet=progress.level > logging.INFO)  # as bars and lines of progress
    seconds: dict[str, float] = {}
    with _threads(THREADS):
        with _stage("sampling and labelling", seconds, console):
            datasets = stages.label_data(folder, settings)
        with _stage("training", seconds, console):
            trained = stages.train_model(folder, settings)
            surface = stages.train_surface(folder, settings)
        with _stage("harmonic analysis", seconds, console):
            exact = (ModelPotential(copy.deepcopy(r.model), dtype=torch.float64) for r in (trained, surface))
            model_modes = stages.find_modes(Composed(*exact), settings, folder / "modes-model.json")
            reference = stages.reference_potential(folder, settings)
            direct_modes = stages.find_modes(reference, settings, folder / "modes-direct.json")
        with _stage("dynamics", seconds, console):
            report = stages.run_dynamics(folder, settings, trained.model)
            spectra = stages.compute_spectra(folder, settings, report, ModelPotential(surface.model))
        numbers = _numbers({**trained.errors["test"], **surface.errors["test"]}, model_modes, direct_modes, report)
        with _stage("report", seconds, console):
            path = write_report(
                folder,
                settings,
                datasets,
                trained,
                surface,
                report,
                numbers,
                TARGETS,
                model=model_modes,
                direct=direct_modes,
                spectra=spectra,
            )
    write_atomically(folder / "results.json", json.dumps({"numbers": numbers, "seconds": seconds}, indent=1) + "\n")
    _print(numbers, seconds, path, settings)
    return DemoResult(path, numbers, seconds)


def _numbers(
    errors: Errors, model_modes: NormalModes, direct_modes: NormalModes, report: RunReport
) -> dict[str, float]:
    order = stages.pair_modes(model_modes, direct_modes)
    differences = model_modes.frequencies - direct_modes.frequencies[order]
    assert model_modes.intensities is not None and direct_modes.intensities is not None
    assert model_modes.activities is not None and direct_modes.activities is not None
    intensities = model_modes.intensities - direct_modes.intensities[order]
    activities = np.abs(model_modes.activities - direct_modes.activities[order]).mean()
    return {
        "energy_rmse": errors["energy_per_atom"].rmse / meV,
        "force_rmse": errors["forces"].rmse / meV,
        "dipole_rmse": errors["dipole"].rmse * 1e3,
        "polarizability_rmse": errors["polarizability"].rmse * coulomb,
        "frequency_difference": float(np.abs(differences).mean()),
        "frequency_difference_largest": float(np.abs(differences).max()),
        "intensity_difference": float(np.abs(intensities).mean()),
        "activity_difference": float(activities),
        "activity_difference_relative": float(activities / direct_modes.activities.mean()),
        "drift": report.drift_mean / meV,
        "temperature": report.temperature,
    }


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _stage(name: str, seconds: dict[str, float], console: Console) -> Iterator[None]:
    begun = time.perf_counter()
    console.print(f"[bold]{name}[/bold] ...")
    yield
    seconds[name] = time.perf_counter() - begun
    console.print(f"[bold]{name}[/bold]: {seconds[name]:.1f} s")


def _print(numbers: dict[str, float], seconds: dict[str, float], path: Path, settings: DemoSettings) -> None:
    table = Table(title=f"{settings.molecule}, {settings.method}, {settings.geometries} geometries")
    for heading in ("result", "value", "target"):
        table.add_column(heading, justify="left" if heading == "result" else "right")
    rows = (
        ("held-out energy error (RMSE) [meV/atom]", "energy_rmse"),
        ("held-out force error (RMSE) [meV/Å]", "force_rmse"),
        ("held-out dipole error (RMSE) [me·Å]", "dipole_rmse"),
        ("held-out polarizability error (RMSE) [Å³]", "polarizability_rmse"),
        ("harmonic frequencies, mean difference [cm⁻¹]", "frequency_difference"),
        ("harmonic intensities, mean difference [km/mol]", "intensity_difference"),
        ("Raman activities, mean difference [Å⁴/amu]", "activity_difference"),
        ("Raman activities, mean difference over mean activity", "activity_difference_relative"),
        ("energy drift of NVE [meV/atom/ps]", "drift"),
        ("temperature of the trajectories [K]", "temperature"),
    )
    for words, name in rows:
        target = f"< {TARGETS[name]:g}" if name in TARGETS else ""
        table.add_row(escape(words), f"{numbers[name]:.3g}", target)
    table.add_row(escape("wall time [s]"), f"{sum(seconds.values()):.0f}", "")
    console = Console()
    console.print(table)
