"""Learning curves: how loss and errors fell during training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from plotly.subplots import make_subplots

from atnn.reports.exhibit import Exhibit, Table
from atnn.reports.spelling import is_quantity, spell, words
from atnn.reports.style import COLORS, apply_style

SIDES = {"train": "dot", "validation": "solid"}


def learning_curves(history: Sequence[Mapping[str, float]] | Mapping[str, Sequence[float]]) -> Exhibit:
    """Metric and errors over the epochs of a training, of every quantity of the table that the history holds.

    Args:
        history: One mapping per validation, or one sequence per column, as :func:`atnn.training.read_history` gives:
            ``epoch``, ``metric``, and ``train_<quantity>`` and ``validation_<quantity>``. Errors are in the package's
            unit of the quantity, or per atom under ``<quantity>_per_atom``.
    """
    columns = _columns(history)
    epochs = columns.pop("epoch", np.arange(1, 1 + max((len(v) for v in columns.values()), default=0)))
    losses = {name: values for name, values in columns.items() if name == "metric"}
    errors = {name: q for name in columns if (q := _quantity(name))}
    units = list(dict.fromkeys(errors.values()))
    titles = ["validation metric"] * bool(losses) + [
        f"{spell(what).words} [{spell(what).error_unit}]" for what in units
    ]
    across = min(2, len(titles)) or 1
    down = -(-len(titles) // across) or 1
    fig = make_subplots(down, across, subplot_titles=titles, horizontal_spacing=0.1, vertical_spacing=0.5 / (down + 1))
    for name, values in losses.items():
        _line(fig, epochs, values, name, (1, 1), COLORS[4], "")
    for name, what in errors.items():
        place = len(losses) + units.index(what)
        at = (place // across + 1, place % across + 1)
        _line(
            fig,
            epochs,
            columns[name] * spell(what).error_factor,
            name,
            at,
            COLORS[units.index(what)],
            spell(what).error_unit,
        )
    apply_style(fig, 260 * down, showlegend=False, margin={"t": 30, "l": 50, "r": 14, "b": 46})
    fig.update_annotations(font_size=13)
    fig.update_yaxes(type="log", exponentformat="power", nticks=5)
    for axis in fig.select_yaxes():
        curves = [line.y for line in fig.data if line.yaxis == axis.plotly_name.replace("axis", "")]
        axis.update(_ticks(np.concatenate([*curves, np.empty(0)])))
    fig.update_xaxes(title_text="epoch", row=down)
    caption = (
        f"Root mean square errors over {int(epochs[-1]) if len(epochs) else 0} epochs, logarithmic scale: dotted on "
        "the training data while learning, solid on the validation data."
    )
    return Exhibit(fig, _table(columns, epochs, errors), caption)


def _columns(history) -> dict[str, np.ndarray]:
    if not isinstance(history, Mapping):
        names = list(dict.fromkeys(name for row in history for name in row))
        history = {name: [row.get(name, np.nan) for row in history] for name in names}
    columns = {}
    for name, values in history.items():
        try:
            columns[name] = np.asarray(values, dtype=float)
        except (TypeError, ValueError):
            continue  # a column of text has no curve
    return columns


def _quantity(column: str) -> str | None:
    """The quantity, with ``_per_atom`` where it is meant so, whose error a column holds."""
    for side in SIDES:
        name = column.removeprefix(f"{side}_")
        if name != column and is_quantity(name):
            return name
    return None


def _line(fig, epochs, values, name, place, color, unit) -> None:
    dash = SIDES["train" if name.startswith("train_") else "validation"]
    fig.add_scatter(
        x=epochs,
        y=values,
        name=words(name),
        mode="lines",
        hovertemplate=f"{words(name)}: %{{y:.4g}} {unit}<br>epoch %{{x}}<extra></extra>",
        line={"color": color, "dash": dash, "width": 2},
        row=place[0],
        col=place[1],
    )


def _ticks(values: np.ndarray) -> dict[str, object]:
    """Ticks of a logarithmic axis that leave room for their labels at any height of a panel."""
    positive = values[np.isfinite(values) & (values > 0)]
    decades = float(np.log10(positive.max() / positive.min())) if len(positive) else 0.0
    if decades > 1.5:
        return {"dtick": max(1, round(decades / 4))}
    return {"tickformat": "~g", **({"dtick": "D2"} if decades > 0.6 else {})}


def _table(columns: dict[str, np.ndarray], epochs: np.ndarray, errors: dict[str, str]) -> Table:
    rows = []
    for name, values in columns.items():
        if not np.isfinite(values).any():
            continue
        factor, unit = 1.0, ""
        if name in errors:
            *_, unit, factor = spell(errors[name])
        best = int(np.nanargmin(values))
        rows.append([words(name), unit, values[0] * factor, values[-1] * factor, values[best] * factor])
        rows[-1].append(int(epochs[best]))
    return Table(["column", "unit", "first epoch", "last epoch", "lowest", "in epoch"], rows)
