"""Look of all figures, with colors that color-blind readers can tell apart on light and dark pages."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

# The palette of Okabe and Ito (doi:10.1038/nmeth.1618); blue and orange are a little darker, for thin lines on white.
COLORS = ("#1f77b4", "#e07b00", "#009e73", "#cc79a7", "#6f6f6f", "#56b4e9", "#b8860b")
MODEL, DIRECT, NEUTRAL = COLORS[0], COLORS[1], "#8a8f98"

_AXIS = {
    "ticks": "outside",
    "ticklen": 4,
    "zeroline": False,
    "automargin": True,
    "nticks": 7,
    "tickangle": 0,
    "title": {"standoff": 8},
}


def translucent(color: str, opacity: float) -> str:
    """The color with an opacity, for bands and bars.

    >>> translucent("#1f77b4", 0.2)
    'rgba(31,119,180,0.2)'
    """
    red, green, blue = (int(color[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


def figure(height: int = 400, **layout: Any) -> go.Figure:
    """An empty figure in the look of the page, whose theme sets the colors of text and grid."""
    empty = go.Figure()
    return apply_style(empty, height, **layout)


def add_band(
    fig: go.Figure,
    x: Float[np.ndarray, " points"],
    low: Float[np.ndarray, " points"],
    high: Float[np.ndarray, " points"],
    name: str,
    **panel: int,
) -> None:
    """Shade the range between two curves, in the panel of that ``row`` and ``col`` where the figure has several."""
    fig.add_scatter(
        x=np.concatenate([x, x[::-1]]),
        y=np.concatenate([high, low[::-1]]),
        fill="toself",
        fillcolor=translucent(MODEL, 0.2),
        line={"width": 0},
        mode="lines",
        name=name,
        hoverinfo="skip",
        **panel,
    )


def apply_style(fig: go.Figure, height: int = 400, **layout: Any) -> go.Figure:
    """Give a figure (with subplots or not) the look of the page."""
    fig.update_layout(
        template="none",
        height=height,
        colorway=list(COLORS),
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 13},
        margin={"l": 58, "r": 18, "t": 36, "b": 48},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "xanchor": "left", "x": 0},
        hoverlabel={"namelength": -1},
    )
    fig.update_xaxes(**_AXIS)
    fig.update_yaxes(**_AXIS)
    return fig.update_layout(**layout)


def hover(what: str, unit: str, against: str, other: str) -> str:
    """What a point says under the pointer: its value, the quantity below it, both with units, and its frame."""
    return f"{what}: %{{y:.5g}} {unit}<br>{against}: %{{x:.5g}} {other}<br>frame %{{customdata}}<extra></extra>"
