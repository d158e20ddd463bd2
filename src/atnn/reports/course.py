"""How a quantity changes along a trajectory."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from atnn.quantities import quantity as quantity_named
from atnn.reports.exhibit import Exhibit, Table
from atnn.reports.spelling import spell
from atnn.reports.style import MODEL, add_band, figure, hover
from atnn.units import ps

MOST_TIMES = 1000


def course(times: ArrayLike, values: ArrayLike, quantity: str) -> Exhibit:
    """A quantity of the table over time: its mean over structures or atoms, and the range that they span.

    Vectors are shown by their length and tensors by a third of their trace, which do not turn with the molecule.

    Args:
        times: Times [fs].
        values: Values [time, structures or atoms, ...] in the package's unit of the quantity; NaN where there are none.
        quantity: Name in the table of quantities.
    """
    entry = quantity_named(quantity)
    t = np.asarray(times, dtype=float) / ps
    words, unit, factor, *_ = spell(quantity)
    scalars, of = _scalars(factor * np.asarray(values, dtype=float), entry.rank)
    step = max(1, -(-len(t) // MOST_TIMES))
    mean, low, high = np.nanmean(scalars, 1), np.nanmin(scalars, 1), np.nanmax(scalars, 1)
    what, each = f"{of}{words}", entry.axis.replace("_", " ")
    fig = figure(300, xaxis_title="time [ps]", yaxis_title=f"{what} [{unit}]")
    if scalars.shape[1] > 1:
        add_band(fig, t[::step], low[::step], high[::step], f"lowest to highest {each}")
    fig.add_scatter(x=t[::step], y=mean[::step], mode="lines", line={"color": MODEL, "width": 1.6}, name="mean")
    index = np.arange(len(t))
    fig.data[-1].update(customdata=index[::step], hovertemplate=hover(what, unit, "time", "ps"))
    rows = [["mean", unit, float(mean.mean())], ["standard deviation", unit, float(np.nanstd(scalars))]]
    rows += [["lowest", unit, float(low.min())], ["highest", unit, float(high.max())]]
    caption = f"{what.capitalize()}: mean over {scalars.shape[1]} {each}{'s' * bool(scalars.shape[1] > 1)}" + (
        f", every {step}th frame." if step > 1 else "."
    )
    return Exhibit(fig, Table(["measure", "unit", "value"], rows), caption)


def _scalars(values: np.ndarray, rank: int) -> tuple[np.ndarray, str]:
    """One number for each value, [time, structures or atoms], and of what it is."""
    if rank == 0:
        return values.reshape(len(values), -1), ""
    if rank == 2:
        return np.trace(values, axis1=-2, axis2=-1) / 3, "mean diagonal of the "
    return np.sqrt((values.reshape(*values.shape[:2], -1) ** 2).sum(2)), "length of the "
