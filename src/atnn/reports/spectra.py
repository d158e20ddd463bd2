"""Spectra from dynamics with their error bands, and harmonic lines of model and reference facing each other."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from plotly.subplots import make_subplots

from atnn.reports.exhibit import Exhibit, Table
from atnn.reports.spelling import format_value
from atnn.reports.style import COLORS, DIRECT, MODEL, add_band, apply_style, figure
from atnn.units import typeset

NOTHING: Mapping[str, ArrayLike] = MappingProxyType({})


class Sticks(NamedTuple):
    """Harmonic lines: frequencies [cm^-1] and infrared intensities [km/mol], or Raman activities [Angstrom^4/amu]."""

    frequencies: ArrayLike
    intensities: ArrayLike


def spectrum(
    frequencies: ArrayLike,
    intensity: ArrayLike,
    error: ArrayLike | None = None,
    *,
    model: Sticks | None = None,
    direct: Sticks | None = None,
    unit: str = "arbitrary units",
    highest: float | None = None,
    kind: str = "infrared",
    others: Mapping[str, ArrayLike] = NOTHING,
    stick_unit: str = "km/mol",
) -> Exhibit:
    """A spectrum with its error band. Below it, harmonic lines of the model point up and those of the reference down.

    Args:
        frequencies: Wavenumbers [cm^-1].
        intensity: Intensity at each, in ``unit``.
        error: Standard error of the intensity over independent trajectories.
        model: Harmonic lines of the model.
        direct: Harmonic lines computed directly with the method that labelled the training data.
        unit: Unit of the intensity.
        highest: Highest wavenumber drawn; by default where nothing more is seen.
        kind: ``infrared``, ``raman``, ``power`` or ``sum-frequency``, for the words.
        others: Further curves in the same unit, by their names.
        stick_unit: Unit of the harmonic lines.
    """
    x, y = np.asarray(frequencies, dtype=float), np.asarray(intensity, dtype=float)
    sticks = [s for s in (model, direct) if s is not None]
    top = highest or _highest(x, y, sticks)
    shown = x <= top
    if sticks:
        fig = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.6, 0.4], vertical_spacing=0.06)
        apply_style(fig, 520)
    else:
        fig = figure(380)
    panel = {"row": 1, "col": 1} if sticks else {}
    if error is not None:
        margin = np.asarray(error, dtype=float)[shown]
        low = y[shown] - margin if y.min(initial=0.0) < 0 else np.maximum(y[shown] - margin, 0)
        add_band(fig, x[shown], low, y[shown] + margin, "standard error", **panel)
    fig.add_scatter(x=x[shown], y=y[shown], name="dynamics", line={"color": MODEL, "width": 2}, mode="lines", **panel)
    shown_unit = typeset(unit.replace("/cm^-1", " per cm^-1"))
    fig.data[-1].update(hovertemplate=f"%{{y:.4g}} {shown_unit}<br>%{{x:.1f}} cm⁻¹<extra></extra>")
    for color, (name, values) in zip(itertools.cycle(COLORS[1:]), others.items(), strict=False):
        fig.add_scatter(
            x=x[shown], y=np.asarray(values, dtype=float)[shown], name=typeset(name), mode="lines",
            line={"color": color, "width": 1.2}, **panel,
        )  # fmt: skip
    fig.update_yaxes(title_text=shown_unit, rangemode="tozero", **panel)
    if model is not None:
        _sticks(fig, model, 1, "model, harmonic", MODEL, stick_unit)
    if direct is not None:
        _sticks(fig, direct, -1, "direct, harmonic", DIRECT, stick_unit)
    if sticks:
        _mirror_axis(fig, sticks, stick_unit)
    fig.update_xaxes(range=[0, top])
    fig.update_xaxes(title_text="wavenumber [cm⁻¹]", row=2 if sticks else None, col=1 if sticks else None)
    return Exhibit(fig, None, _caption(kind, error is not None, model is not None, direct is not None))


def frequencies(
    model: ArrayLike,
    direct: ArrayLike,
    model_intensities: ArrayLike | None = None,
    direct_intensities: ArrayLike | None = None,
    unit: str = "km/mol",
) -> Exhibit:
    """Table of harmonic frequencies [cm^-1] and intensities in ``unit`` of the model beside the direct ones.

    Modes are matched in the order given; leave out translations and rotations.
    """
    ours, theirs = np.asarray(model, dtype=float), np.asarray(direct, dtype=float)
    columns = ["mode", "model [cm⁻¹]", "direct [cm⁻¹]", "difference [cm⁻¹]"]
    parts = [np.round(ours, 1), np.round(theirs, 1), np.round(ours - theirs, 1)]
    for heading, values in ((f"model [{unit}]", model_intensities), (f"direct [{unit}]", direct_intensities)):
        if values is not None:
            columns.append(heading)
            parts.append(np.round(np.asarray(values, dtype=float), 1))
    rows = [[k + 1, *(f"{float(part[k]):.1f}" for part in parts)] for k in range(len(ours))]
    mean, worst = float(np.abs(ours - theirs).mean()), float(np.abs(ours - theirs).max())
    average, most = format_value(mean, digits=3), format_value(worst, digits=3)
    caption = f"Harmonic frequencies at the relaxed geometry differ by {average} cm⁻¹ on average, {most} at most."
    return Exhibit(None, Table(columns, rows), caption)


def _highest(x: np.ndarray, y: np.ndarray, sticks: list[Sticks]) -> float:
    seen = x[y > 2e-3 * y.max()] if y.size and y.max() > 0 else x
    ends = [float(seen.max(initial=0.0)), *(float(np.max(s.frequencies, initial=0.0)) for s in sticks)]
    return min(float(np.ceil(1.05 * max(ends) / 100) * 100), max(float(x.max(initial=0.0)), *ends)) or 4000.0


def _sticks(fig, sticks: Sticks, sign: int, name: str, color: str, unit: str) -> None:
    places, heights = np.asarray(sticks.frequencies, dtype=float), np.asarray(sticks.intensities, dtype=float)
    gaps = np.full_like(places, np.nan)
    x, y = np.stack([places, places, gaps], 1).ravel(), np.stack([0 * heights, sign * heights, gaps], 1).ravel()
    line = {"color": color, "width": 2.5}
    fig.add_scatter(x=x, y=y, mode="lines", line=line, name=name, hoverinfo="skip", row=2, col=1)
    shown = [format_value(float(height), digits=3) for height in heights]
    hover = [f"{f:.1f} cm⁻¹, {text} {typeset(unit)}" for f, text in zip(places, shown, strict=True)]
    marker = {"size": 7, "color": color, "symbol": "circle" if sign > 0 else "diamond"}
    fig.add_scatter(
        x=places, y=sign * heights, mode="markers", marker=marker, name=name, showlegend=False,
        text=hover, hoverinfo="text+name", row=2, col=1,
    )  # fmt: skip


def _mirror_axis(fig, sticks: list[Sticks], unit: str) -> None:
    top = max(float(np.max(s.intensities, initial=0.0)) for s in sticks) or 1.0
    step = 10 ** np.floor(np.log10(top))
    step = step / 2 if top / step < 2 else step * 2 if top / step > 5 else step
    ticks = np.arange(-np.floor(top / step), np.floor(top / step) + 1) * step
    fig.update_yaxes(
        title_text=typeset(unit), tickvals=ticks, ticktext=[f"{abs(t):g}" for t in ticks], row=2, col=1, zeroline=True
    )


def _caption(kind: str, error: bool, model: bool, direct: bool) -> str:
    text = f"{kind[0].upper() + kind[1:]} spectrum from molecular dynamics"
    text += "; the band is the standard error over independent trajectories." if error else "."
    if model and direct:
        text += " Below, harmonic lines: the model's point up, those computed directly with the reference method down."
    elif model or direct:
        text += f" Below, harmonic lines {'of the model' if model else 'computed directly with the reference method'}."
    if model or direct:
        text += " Dynamics includes anharmonicity and temperature, so its bands may lie below the harmonic lines."
    return text
