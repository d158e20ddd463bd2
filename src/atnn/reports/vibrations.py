"""Normal modes: their table, their spectra, their motion, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import ArrayLike
from plotly.subplots import make_subplots

from atnn.observables import (
    AnharmonicConstants,
    Levels,
    NormalModes,
    Thermochemistry,
    broaden,
    name_isotopologue,
    raman_intensities,
)
from atnn.observables.broadening import Shape
from atnn.reports.exhibit import Exhibit, Motion, Table
from atnn.reports.report import Report
from atnn.reports.spelling import format_value
from atnn.reports.style import COLORS, MODEL, apply_style, figure, translucent
from atnn.reports.trajectory import still_view
from atnn.units import kJ_per_mol

AMPLITUDE = 0.3  # Angstrom, of the atom that moves most
MOST_NUMBERS = 300_000  # of all displacements together: some 2 MB of text
GRID = 1.0  # cm^-1


def modes_report(
    modes: NormalModes,
    title: str,
    *,
    cell: ArrayLike | None = None,
    width: float = 10.0,
    shape: Shape = "lorentzian",
    laser: float | None = None,
    temperature: float = 298.15,
    thermochemistry: Mapping[str, Thermochemistry] | None = None,
    levels: Levels | None = None,
    constants: AnharmonicConstants | None = None,
) -> Report:
    """Page of normal modes: table, infrared and Raman spectra, moving pictures, thermochemistry, anharmonic levels.

    Args:
        modes: The modes.
        title: What they are of.
        cell: Lattice vectors as rows of a periodic structure [Angstrom].
        width: Full width at half maximum of the lines of spectra [cm^-1].
        shape: Shape of the lines.
        laser: Wavelength of the light that is scattered [nm]; without it Raman activities are shown.
        temperature: Temperature of the relative Raman intensities [K].
        thermochemistry: Treatment of low frequencies -> result.
        levels: Levels of a grid solution.
        constants: Anharmonic constants of perturbation theory.
    """
    report = Report(title, subtitle=f"Normal modes of {name_isotopologue(modes.numbers, modes.masses)}")
    report.number("Largest force left", 1e3 * modes.largest_force, "meV/Å")
    report.add("Modes", Exhibit(table=mode_table(modes, laser, temperature)), text=_words(modes))
    if modes.intensities is not None or modes.activities is not None:
        text = f"Each line is a {shape.capitalize()} with a full width at half maximum of {width:g} cm⁻¹."
        report.add("Spectra", broadened(modes, width, shape, laser, temperature), text=text)
    if len(modes.frequencies):
        report.add("Motion", mode_view(modes, cell), text="Choose a mode below the picture.")
    if thermochemistry:
        report.add("Thermochemistry", Exhibit(table=thermochemistry_table(thermochemistry)), text=THERMOCHEMISTRY)
    if constants is not None:
        text = "From second-order perturbation theory on cubic and quartic derivatives of the energy."
        report.add("Anharmonic frequencies", Exhibit(table=anharmonic_table(constants)), text=text)
    if levels is not None:
        text = f"Solved on a grid. The lowest level lies {format_value(levels.zero_point)} cm⁻¹ above the minimum."
        report.add("Vibrational levels", Exhibit(table=level_table(levels)), text=text)
    return report


THERMOCHEMISTRY = (
    "Energies count from the zero of the potential. Low frequencies are treated as harmonic, by Grimme's interpolation "
    "to a free rotor, or by raising those below 100 cm⁻¹ to that value (Truhlar)."
)


def mode_table(modes: NormalModes, laser: float | None = None, temperature: float = 298.15) -> Table:
    """Frequencies, imaginary ones with an i, and what else is known of each mode."""
    columns = ["mode", "frequency [cm⁻¹]"]
    parts: list[list[str]] = [[spell_frequency(f) for f in modes.frequencies]]
    if modes.intensities is not None:
        columns.append("intensity [km/mol]")
        parts.append([f"{value:.1f}" for value in modes.intensities])
    if modes.activities is not None and modes.depolarizations is not None:
        columns += ["Raman activity [Å⁴/amu]", "depolarisation"]
        parts.append([f"{value:.1f}" for value in modes.activities])
        parts.append(["–" if np.isnan(value) else f"{value:.3f}" for value in modes.depolarizations])
        if laser is not None:
            columns.append(f"Raman intensity at {laser:g} nm")
            found = raman_intensities(modes.frequencies, modes.activities, laser, temperature)
            parts.append([f"{value:.3f}" for value in found])
    rows = [[k + 1, *row] for k, row in enumerate(zip(*parts, strict=True))]
    return Table(columns, rows)


def spell_frequency(frequency: float) -> str:
    """A wavenumber as people write it.

    >>> spell_frequency(-312.04)
    '312.0i'
    """
    return f"{abs(frequency):.1f}{'i' if frequency < 0 else ''}"


def thermochemistry_table(found: Mapping[str, Thermochemistry]) -> Table:
    """A row for each treatment of low frequencies."""
    first = next(iter(found.values()))
    gas = first.pressure is not None
    where = f"{first.temperature:g} K" + (f", {first.pressure:g} bar" if gas else "")
    columns = ["low frequencies", "zero-point energy [eV]", "enthalpy [eV]" if gas else "internal energy [eV]"]
    columns += ["entropy [J/mol/K]", "Gibbs energy [eV]" if gas else "Helmholtz energy [eV]"]
    rows = [
        [
            name,
            f"{one.zero_point_energy:.5f}",
            f"{one.enthalpy:.5f}",
            f"{1e3 * one.entropy / kJ_per_mol:.2f}",
            f"{one.free_energy:.5f}",
        ]
        for name, one in found.items()
    ]
    where += f", symmetry number {first.symmetry_number}" if first.symmetry_number else ""
    where += f"; imaginary frequencies left out: {first.imaginary}" if first.imaginary else ""
    return Table(columns, rows, f"At {where}")


def anharmonic_table(constants: AnharmonicConstants) -> Table:
    """Harmonic and anharmonic frequencies of each mode, and first overtones."""
    ones = np.eye(len(constants.harmonic), dtype=int)
    rows = [
        [k + 1, *(f"{value:.1f}" for value in (harmonic, constants.level(ones[k]), constants.level(2 * ones[k])))]
        for k, harmonic in enumerate(constants.harmonic)
    ]
    return Table(["mode", "harmonic [cm⁻¹]", "fundamental [cm⁻¹]", "first overtone [cm⁻¹]"], rows)


def level_table(levels: Levels) -> Table:
    """Levels above the lowest."""
    rows = [[k + 1, f"{frequency:.1f}"] for k, frequency in enumerate(levels.frequencies)]
    return Table(["level", "above the lowest [cm⁻¹]"], rows)


def broadened(
    modes: NormalModes,
    width: float = 10.0,
    shape: Shape = "lorentzian",
    laser: float | None = None,
    temperature: float = 298.15,
) -> Exhibit:
    """Infrared and Raman spectra of lines with a width, with a stick for each line."""
    panels = []
    if modes.intensities is not None:
        panels.append(("infrared", modes.intensities, "km/mol", "km/mol per cm⁻¹"))
    if modes.activities is not None and laser is None:
        panels.append(("Raman", modes.activities, "Å⁴/amu", "Å⁴/amu per cm⁻¹"))
    elif modes.activities is not None and laser is not None:
        heights = raman_intensities(modes.frequencies, modes.activities, laser, temperature)
        panels.append((f"Raman at {laser:g} nm, {temperature:g} K", heights, "of the largest", "arbitrary units"))
    real = modes.frequencies > 0
    lines = modes.frequencies[real]
    top = float(np.ceil(1.05 * lines.max(initial=1000.0) / 100) * 100)
    grid = np.arange(0, top + GRID, GRID)
    fig = figure(380)
    if len(panels) == 2:
        fig = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06)
        apply_style(fig, 560)
    for row, (name, areas, unit, axis) in enumerate(panels, 1):
        panel = {"row": row, "col": 1} if len(panels) == 2 else {}
        curve = broaden(grid, lines, areas[real], width, shape)
        sticks = areas[real] * (curve.max(initial=0.0) / (areas[real].max(initial=0.0) or 1.0))
        gaps = np.full_like(lines, np.nan)
        x, y = np.stack([lines, lines, gaps], 1).ravel(), np.stack([0 * lines, sticks, gaps], 1).ravel()
        color = translucent(MODEL, 0.45)
        fig.add_scatter(
            x=x, y=y, mode="lines", line={"color": color, "width": 2}, showlegend=False, hoverinfo="skip", **panel
        )
        text = [
            f"{f:.1f} cm⁻¹, {format_value(float(a), digits=3)} {unit}" for f, a in zip(lines, areas[real], strict=True)
        ]
        fig.add_scatter(
            x=lines, y=sticks, mode="markers", marker={"size": 6, "color": MODEL}, text=text, hoverinfo="text",
            showlegend=False, **panel,
        )  # fmt: skip
        line = {"color": COLORS[row - 1], "width": 2}
        fig.add_scatter(x=grid, y=curve.round(6), mode="lines", line=line, name=name, hoverinfo="skip", **panel)
        fig.update_yaxes(title_text=axis, rangemode="tozero", **panel)
    fig.update_xaxes(range=[0, top])
    fig.update_xaxes(
        title_text="wavenumber [cm⁻¹]",
        row=len(panels) if len(panels) == 2 else None,
        col=1 if len(panels) == 2 else None,
    )
    return Exhibit(fig, None, "Lines of the harmonic modes, broadened; sticks show their relative areas.")


def mode_view(modes: NormalModes, cell: ArrayLike | None = None) -> Exhibit:
    """Moving picture of one mode at a time; of many modes of a large structure, those of the highest frequencies."""
    most = max(1, MOST_NUMBERS // modes.positions.size)
    shown = range(max(0, len(modes.frequencies) - most), len(modes.frequencies))
    motions = []
    for k in shown:
        moves = modes.displacements[k]
        moves = AMPLITUDE * moves / np.linalg.norm(moves, axis=1).max()
        label = f"{k + 1}: {spell_frequency(modes.frequencies[k])} cm⁻¹"
        motions.append(Motion(label, moves.round(3).ravel().tolist()))
    view = still_view(modes.positions, modes.numbers, cell)._replace(motions=motions)
    left = len(modes.frequencies) - len(motions)
    caption = f"The atom that moves most moves by {AMPLITUDE:g} Å to both sides."
    caption += f" The {left} modes of the lowest frequencies are left out." if left else ""
    return Exhibit(caption=caption, view=view)


def _words(modes: NormalModes) -> str:
    symbols = (
        ", ".join(f"{k} {chemical_symbols[z]}" for k, z in enumerate(modes.numbers)) if len(modes.numbers) < 30 else ""
    )
    text = f"{len(modes.frequencies)} vibrations; {modes.rigid} rigid motions are left out."
    if modes.imaginary:
        text += " An i marks imaginary frequencies: the structure is no minimum of the energy along these modes."
    return text + (f" Indices of the atoms: {symbols}." if symbols else "")
