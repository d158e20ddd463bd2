"""Parity plots: what a model predicts against the reference, with the distribution of its errors."""

from __future__ import annotations

import math
from itertools import cycle

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import ArrayLike
from plotly.subplots import make_subplots

from atnn.quantities import quantity as quantity_named
from atnn.reports.exhibit import Exhibit, Table
from atnn.reports.spelling import PER_ATOM, spell
from atnn.reports.style import COLORS, NEUTRAL, apply_style, translucent

MOST_POINTS = 4000  # a browser draws these smoothly
WORST_KEPT = 50


def parity(
    predicted: ArrayLike,
    reference: ArrayLike,
    quantity: str,
    *,
    counts: ArrayLike | None = None,
    numbers: ArrayLike | None = None,
    frames: ArrayLike | None = None,
    most_points: int = MOST_POINTS,
    name: str = "",
) -> Exhibit:
    """Predicted against reference values, and a histogram of the errors beside them.

    The errors in the table and in the histogram are those of all values. Of many values only a part is drawn: the
    largest errors are always among them, and the caption says so. Elements have colors and errors of their own, and
    so have the diagonal and the other components of tensors of whole structures.

    Args:
        predicted: Values of the model, in the package's unit of the quantity; any shape.
        reference: Reference values of the same shape.
        quantity: Name in the table of quantities.
        counts: Atoms of each structure; given, values are shown per atom.
        numbers: Atomic numbers of the rows of a quantity of atoms.
        frames: Index of the frame of each row; without it rows are numbered from zero.
        most_points: Most points drawn.
        name: Which data they are (``held-out``, ``1200 K``), for the caption.
    """
    entry = quantity_named(quantity)
    x, y = _flat(reference, counts), _flat(predicted, counts)
    good = np.isfinite(x) & np.isfinite(y)
    kinds = (_elements(numbers, len(x)) if numbers is not None else _components(entry.rank, np.shape(reference)))[good]
    rows = _rows(entry.axis, np.shape(reference), frames)[good]
    x, y = x[good], y[good]
    words = spell(quantity).words
    _, unit, factor, error_unit, error_factor = spell(quantity if counts is None else quantity + PER_ATOM)
    if not len(x):
        return Exhibit(caption=f"No {name} reference values of {words}.".replace("  ", " "))
    shift = float(x.mean()) if entry.referenced else 0.0
    errors = (y - x) * error_factor
    drawn = _thin_points(errors, most_points)
    fig = make_subplots(rows=1, cols=2, column_widths=[0.55, 0.45], horizontal_spacing=0.13)
    _points(fig, factor * (x[drawn] - shift), factor * (y[drawn] - shift), kinds[drawn], rows[drawn], unit)
    outside = _histogram(fig, errors, error_unit)
    apply_style(fig, 400, bargap=0.04)
    of = f"{words}{' above the mean' if shift else ''} [{unit}]"
    fig.update_xaxes(title_text=f"reference {of}", row=1, col=1)
    fig.update_yaxes(title_text=f"predicted {of}", row=1, col=1)
    fig.update_xaxes(title_text=f"error, predicted − reference [{error_unit}]", row=1, col=2)
    fig.update_yaxes(title_text="number of values", row=1, col=2)
    table = _table(x, errors, kinds, error_unit, error_factor)
    return Exhibit(fig, table, _caption(words, name, len(x), len(drawn), outside))


def _flat(values: ArrayLike, counts: ArrayLike | None) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    if counts is not None:
        array = array / np.asarray(counts, dtype=float).reshape(-1, *[1] * (array.ndim - 1))
    return array.reshape(-1)


def _components(rank: int, shape: tuple[int, ...]) -> np.ndarray:
    """Kind of each component of tensors of the second rank; empty for all else."""
    if rank != 2 or shape[-2:] != (3, 3):
        return np.full(math.prod(shape), "")
    kinds = np.where(np.eye(3, dtype=bool), "diagonal", "off the diagonal")
    return np.broadcast_to(kinds, shape).reshape(-1)


def _elements(numbers: ArrayLike, size: int) -> np.ndarray:
    """Symbol of the element of each value."""
    symbols = np.asarray(chemical_symbols)[np.asarray(numbers, dtype=int)]
    return np.repeat(symbols, size // len(symbols)) if size else symbols


def _rows(axis: str, shape: tuple[int, ...], frames: ArrayLike | None) -> np.ndarray:
    """Where each value comes from, as the pointer shows it."""
    count = shape[0] if shape else 1
    if frames is not None:
        names = [f"frame {k}" for k in np.asarray(frames, dtype=int)]
    else:
        names = [f"labelled {'frame' if axis == 'structure' else axis.replace('_', ' ')} {k}" for k in range(count)]
    return np.repeat(np.asarray(names, dtype=object), math.prod(shape[1:]))


def _thin_points(errors: np.ndarray, most: int) -> np.ndarray:
    if len(errors) <= most:
        return np.arange(len(errors))
    order = np.argsort(np.abs(errors))
    worst, rest = order[-min(WORST_KEPT, most) :], order[: -min(WORST_KEPT, most)]
    sample = np.random.default_rng(0).choice(rest, most - len(worst), replace=False)
    return np.concatenate([sample, worst])


def _points(fig, x: np.ndarray, y: np.ndarray, kinds: np.ndarray, rows: np.ndarray, unit: str) -> None:
    low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
    margin = 0.03 * (high - low) or 1e-3
    ends = [low - margin, high + margin]
    line = {"color": NEUTRAL, "width": 1.3, "dash": "dash"}
    fig.add_scatter(x=ends, y=ends, mode="lines", line=line, hoverinfo="skip", showlegend=False, row=1, col=1)
    names = np.unique(kinds)
    for name, color in zip(names, cycle(COLORS), strict=False):
        chosen = kinds == name
        marker = {"size": 5, "color": translucent(color, 0.45), "line": {"width": 0}}
        # Single precision is finer than a screen and halves the page
        points = {"x": x[chosen].astype(np.float32), "y": y[chosen].astype(np.float32)}
        look = {"mode": "markers", "marker": marker, "name": str(name), "showlegend": len(names) > 1}
        text = f"reference %{{x:.5g}} {unit}<br>predicted %{{y:.5g}} {unit}<br>%{{customdata}}<extra>{name}</extra>"
        fig.add_scatter(**points, **look, customdata=rows[chosen], hovertemplate=text, row=1, col=1)
    fig.update_xaxes(range=ends, row=1, col=1)
    fig.update_yaxes(range=ends, row=1, col=1)


def _histogram(fig, errors: np.ndarray, unit: str) -> int:
    """Draw the counts, not the data, and return how many errors lie outside the range shown."""
    limit = float(np.quantile(np.abs(errors), 0.995)) or 1e-9
    bins = int(np.clip(2 * len(errors) ** (1 / 3), 11, 61)) | 1
    numbers, edges = np.histogram(errors, bins=bins, range=(-limit, limit))
    fig.add_bar(
        x=(edges[1:] + edges[:-1]) / 2,
        y=numbers,
        width=np.diff(edges),
        hovertemplate=f"%{{y}} values near %{{x:.3g}} {unit}<extra></extra>",
        marker={"color": translucent(COLORS[0], 0.75), "line": {"width": 0}},
        showlegend=False,
        row=1,
        col=2,
    )
    fig.add_vline(x=0, line={"color": NEUTRAL, "width": 1.3, "dash": "dash"}, row=1, col=2)
    return len(errors) - int(numbers.sum())


def _table(x: np.ndarray, errors: np.ndarray, kinds: np.ndarray, unit: str, factor: float) -> Table:
    size = np.abs(errors)
    deviation = float(x.std())
    rows: list[list] = [
        ["root mean square error (RMSE)", unit, float(np.sqrt((errors**2).mean()))],
        ["mean absolute error (MAE)", unit, float(size.mean())],
        ["mean error (bias)", unit, float(errors.mean())],
        ["95 % of the errors are below", unit, float(np.quantile(size, 0.95))],
        ["largest error", unit, float(size.max())],
    ]
    names = np.unique(kinds)
    if len(names) > 1:
        rows += [[f"RMSE of {name}", unit, float(np.sqrt((errors[kinds == name] ** 2).mean()))] for name in names]
    if deviation > 0:
        share = 100 * rows[0][2] / (factor * deviation)
        rows.append(["RMSE relative to the standard deviation of the reference", "%", share])
    return Table(["measure", "unit", "value"], [*rows, ["number of values", "", len(errors)]])


def _caption(words: str, name: str, total: int, drawn: int, outside: int) -> str:
    text = f"{words.capitalize()}{f' ({name})' if name else ''}: left, predicted against reference; "
    text += "points on the dashed line are exact. Right, the distribution of the errors"
    text += f" ({outside:,} beyond the range shown)." if outside else "."
    if drawn < total:
        text += f" {drawn:,} of {total:,} values are drawn: the {min(WORST_KEPT, drawn)} largest errors and a random"
        text += " sample of the others; the numbers are over all."
    return text
