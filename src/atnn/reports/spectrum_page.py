"""The page of `atnn spectrum`: every kind of spectrum with its error band and the spectra of the halves."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from atnn.archives import hash_file
from atnn.dynamics import Trajectory
from atnn.errors import DataError
from atnn.files import write_atomically
from atnn.model import ModelPotential, load_model
from atnn.observables import Spectrum, SpectrumSettings, TrajectorySpectra, trajectory_spectra
from atnn.observables.kinds import Convergence, parse_kinds
from atnn.observables.mode_basis import read_basis
from atnn.observables.records import refuse_other, write_record
from atnn.reports.exhibit import Exhibit
from atnn.reports.report import Report
from atnn.reports.spectra import spectrum
from atnn.reports.spelling import format_value
from atnn.reports.style import COLORS, MODEL, figure
from atnn.units import typeset

SPECTRUM = "atnn-spectrum"
MOST_CURVES = 8  # beside the main one, in a figure
LOWEST = 100.0  # cm^-1; the strongest band of a spectrum is looked for above, where nothing turns


class WrittenSpectra(NamedTuple):
    """Spectra of a trajectory and the files that hold them.

    Attributes:
        page: HTML page.
        numbers: CSV file of each kind.
        record: JSON file that says what made the numbers, and with which settings.
        spectra: The spectra.
    """

    page: Path
    numbers: dict[str, Path]
    record: Path
    spectra: TrajectorySpectra

    @property
    def origin(self) -> dict[str, str]:
        """Hashes of what the spectra were made of."""
        return next(iter(next(iter(self.spectra.curves.values())).values())).origin

    def columns(self, kind: str) -> dict[str, list[Any]]:
        """Columns of the CSV file of a kind, with their units."""
        found = self.spectra.curves[kind]
        columns: dict[str, list[Any]] = {"wavenumber [cm^-1]": next(iter(found.values())).frequencies.tolist()}
        for name, curve in found.items():
            error = [None] * len(curve.frequencies) if curve.error is None else curve.error.tolist()
            columns[f"{name} [{curve.unit}]"] = curve.intensity.tolist()
            columns["standard error" if name == "intensity" else f"standard error of {name}"] = error
        return columns


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
    laser: float | None = None,
    model: str | os.PathLike | None = None,
    modes: str | os.PathLike | None = None,
) -> WrittenSpectra:
    """Spectra of a trajectory as an HTML page, with the numbers of each in a CSV and what made them in a JSON.

    The spectra of another run are not replaced; those of the same run are, whatever their settings, and also where the
    run has gone on since.

    Args:
        trajectory: Folder of the trajectory; all its structures must be copies of one.
        output: HTML file.
        kind: ``infrared``, ``raman``, ``power`` or ``sum-frequency``, or several with commas between them.
        temperature: Temperature of the trajectories [K].
        correction: Quantum correction of all but the power spectrum.
        window, resolution, maximum: As in :func:`atnn.observables.infrared`.
        laser: Wavelength of the laser of the Raman spectrum [nm], see :func:`atnn.observables.raman`.
        model: Model file, whose dipoles and polarizabilities are computed anew along the frames.
        modes: File of `atnn modes --output`, to the modes of which the power spectrum is resolved.

    Returns:
        Paths of the page, the numbers and the record, and the spectra.

    Raises:
        DataError: No such trajectory, nothing in it to make a spectrum of, different structures in one, or the files
            are those of another.
    """
    path, page = Path(trajectory), Path(output)
    if page.suffix in (".csv", ".json"):
        raise DataError("the page is HTML", where=str(page), remedy="give it a name that ends in .html")
    kinds = parse_kinds(kind)
    source, record = Trajectory(path), page.with_suffix(".json")
    refuse_other(record, SPECTRUM, {"run": source.run})
    settings = SpectrumSettings(
        temperature, correction, window, resolution, maximum, laser, None if modes is None else read_basis(Path(modes))
    )
    potential = None if model is None else ModelPotential(load_model(Path(model)), skin=0.0)
    found = trajectory_spectra(source, kinds, settings, potential)
    titles = [_title(name) for name in kinds]
    report = Report(f"{' and '.join(titles)} spectr{'um' if len(titles) == 1 else 'a'}", subtitle=str(path))
    for name in kinds:
        _add_kind(report, found, name)
    paths = {
        name: page.with_suffix(".csv") if len(kinds) == 1 else page.with_name(f"{page.stem}-{name}.csv")
        for name in kinds
    }
    written = WrittenSpectra(page, paths, record, found)
    report.provenance.update(written.origin)
    report.write(page)
    for name, file in paths.items():
        _write_columns(file, written.columns(name))
    _write_record(written, None if modes is None else Path(modes))
    return written


def summarise(found: TrajectorySpectra, kind: str) -> dict[str, float | None]:
    """Numbers that a kind of spectrum comes down to.

    ``strongest_band`` [cm^-1], the ``integral`` [unit of the spectrum times cm^-1], and the ``overlap`` of the halves.
    """
    main, convergence = found.curves[kind]["intensity"], found.convergence[kind]
    return {
        "strongest_band": _strongest(main),
        "integral": main.integral(),
        "overlap": None if convergence is None else convergence.overlap,
    }


def _strongest(curve: Spectrum) -> float | None:
    if not np.any(curve.frequencies >= LOWEST):
        return None
    return Spectrum(curve.frequencies, np.abs(curve.intensity), None, curve.unit, curve.resolution).peak(LOWEST)


def _add_kind(report: Report, found: TrajectorySpectra, kind: str) -> None:
    curves, settings, numbers = found.curves[kind], found.settings, summarise(found, kind)
    main = curves["intensity"]
    if kind == "power":
        report.number(f"Degrees of freedom seen (of {found.degrees})", main.integral(), "")
    elif (band := numbers["strongest_band"]) is not None:
        report.number(f"{_title(kind)}, strongest band", band, "cm⁻¹")
    others = {name: curve.intensity for name, curve in list(curves.items())[1 : 1 + MOST_CURVES]}
    words = f"At {settings.temperature:g} K, resolution {format_value(main.resolution, digits=3)} cm⁻¹"
    if kind != "power":
        words += f", quantum correction {settings.correction}"
    if kind == "raman" and settings.laser is not None:
        words += f", laser of {settings.laser:g} nm"
    exhibits = [
        spectrum(
            main.frequencies, main.intensity, main.error, unit=main.unit, kind=_title(kind).lower(),
            highest=settings.maximum, others=others,
        )
    ]  # fmt: skip
    if (convergence := found.convergence[kind]) is not None:
        exhibits.append(compare_halves(convergence, settings.maximum))
    report.add(f"{_title(kind)} spectrum", *exhibits, text=f"{words}.")


def compare_halves(convergence: Convergence, highest: float | None = None) -> Exhibit:
    """The spectrum of the first half of the trajectories, of the second, and of the whole."""
    fig = figure(300)
    whole = convergence.whole
    top = highest or float(whole.frequencies[-1])
    curves = {"whole": whole, "first half": convergence.halves[0], "second half": convergence.halves[1]}
    for color, (name, curve) in zip((MODEL, COLORS[1], COLORS[2]), curves.items(), strict=True):
        shown = curve.frequencies <= top
        line = {"color": color, "width": 2 if name == "whole" else 1.2}
        fig.add_scatter(x=curve.frequencies[shown], y=curve.intensity[shown], name=name, mode="lines", line=line)
    fig.update_yaxes(title_text=typeset(whole.unit.replace("/cm^-1", " per cm^-1")), rangemode="tozero")
    fig.update_xaxes(title_text="wavenumber [cm⁻¹]", range=[0, top])
    caption = (
        f"Convergence with length: the halves of the trajectories have {100 * convergence.overlap:.0f} % of the "
        f"intensity in common, at a resolution of {format_value(whole.resolution, digits=3)} cm⁻¹. Where they differ, "
        "the trajectories are too short, or too few."
    )
    return Exhibit(fig, None, caption)


def _title(kind: str) -> str:
    return kind[0].upper() + kind[1:]


def _write_columns(path: Path, columns: dict[str, list[Any]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))  # None is written as nothing
    write_atomically(path, text.getvalue())


def _write_record(written: WrittenSpectra, modes: Path | None) -> None:
    found, settings = written.spectra, written.spectra.settings
    kinds = list(found.curves)
    files = {name: {"file": path.name, "hash": hash_file(path)} for name, path in written.numbers.items()}
    content: dict[str, Any] = {
        "settings": {
            "kind": ",".join(kinds),
            "temperature": settings.temperature,
            "correction": None if kinds == ["power"] else settings.correction,
            "window": settings.window,
            "resolution": found.curves[kinds[0]]["intensity"].resolution,
            "maximum": settings.maximum,
            "laser": settings.laser,
            "modes": None if modes is None else {"file": str(modes), "hash": hash_file(modes)},
        },
        "units": {"temperature": "K", "resolution": "cm^-1", "maximum": "cm^-1", "laser": "nm"},
        "numbers": files[kinds[0]] if len(kinds) == 1 else files,
        "results": {name: {**summarise(found, name), "unit": found.curves[name]["intensity"].unit} for name in kinds},
    }
    write_record(written.record, SPECTRUM, written.origin, content)
