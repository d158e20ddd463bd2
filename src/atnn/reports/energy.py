"""Energy conservation of constant-energy dynamics."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from atnn.reports.exhibit import Exhibit, Table
from atnn.reports.spelling import format_value
from atnn.reports.style import DIRECT, MODEL, add_band, figure, hover
from atnn.units import ps

MOST_TIMES = 1000


def energy_drift(times: ArrayLike, energies: ArrayLike, atoms: int | ArrayLike) -> Exhibit:
    """Change of the total energy per atom, averaged over copies, with the straight line that gives the drift.

    Args:
        times: Times [fs].
        energies: Total energies, potential + kinetic [eV], [time] or [time, copies].
        atoms: Atoms of each copy.
    """
    t = np.asarray(times, dtype=float) / ps
    total = np.asarray(energies, dtype=float)
    total = total.reshape(len(t), -1)
    change = 1e3 * (total - total[:1]) / np.asarray(atoms, dtype=float)
    mean, low, high = change.mean(1), change.min(1), change.max(1)
    slopes = np.polyfit(t, change, 1)[0] if len(t) > 1 else np.zeros(change.shape[1])
    step = max(1, -(-len(t) // MOST_TIMES))
    fig = figure(340, xaxis_title="time [ps]", yaxis_title="energy − start [meV/atom]")
    if change.shape[1] > 1:
        add_band(fig, t[::step], low[::step], high[::step], "lowest to highest copy")
    fig.add_scatter(x=t[::step], y=mean[::step], mode="lines", line={"color": MODEL, "width": 1.6}, name="mean")
    index = np.arange(len(t))
    fig.data[-1].update(customdata=index[::step], hovertemplate=hover("energy − start", "meV/atom", "time", "ps"))
    slope, start = np.polyfit(t, mean, 1) if len(t) > 1 else (0.0, 0.0)
    ends = np.array([t[0], t[-1]])
    line = {"color": DIRECT, "width": 2, "dash": "dash"}
    fig.add_scatter(x=ends, y=start + slope * ends, mode="lines", line=line, name="linear fit")
    return Exhibit(fig, _table(t, change, slopes), _caption(slope, change, step))


def drift(times: ArrayLike, energies: ArrayLike, atoms: int | ArrayLike) -> float:
    """Drift of the mean total energy [meV/atom/ps], the slope of a straight line; arguments of :func:`energy_drift`."""
    t = np.asarray(times, dtype=float) / ps
    change = 1e3 * np.asarray(energies, dtype=float).reshape(len(t), -1) / np.asarray(atoms, dtype=float)
    return float(np.polyfit(t, change.mean(1) - change[0].mean(), 1)[0])


def _table(t: np.ndarray, change: np.ndarray, slopes: np.ndarray) -> Table:
    rows = [
        ["drift, mean over copies", "meV/atom/ps", float(slopes.mean())],
        ["drift, largest of a copy", "meV/atom/ps", float(np.abs(slopes).max())],
        ["fluctuation about the start (RMS)", "meV/atom", float(np.sqrt((change**2).mean()))],
        ["time", "ps", float(t[-1] - t[0])],
        ["copies", "", change.shape[1]],
    ]
    return Table(["measure", "unit", "value"], rows)


def _caption(slope: float, change: np.ndarray, step: int) -> str:
    copies = change.shape[1]
    text = f"Total energy of {copies} {'trajectory' if copies == 1 else 'trajectories'} at constant energy: it drifts"
    text += f" by {format_value(float(slope), digits=3)} meV per atom and picosecond (zero would be exact)."
    return text + (f" Every {step}th point is drawn." if step > 1 else "")
