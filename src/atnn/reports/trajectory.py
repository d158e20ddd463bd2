"""Moving 3D pictures of trajectories."""

from __future__ import annotations

import numpy as np
from ase.data import chemical_symbols
from ase.data.colors import jmol_colors
from numpy.typing import ArrayLike

from atnn.reports.exhibit import Exhibit, View3D
from atnn.reports.spelling import format_value

MOST_FRAMES = 150
MOST_ATOMS = 150_000  # of all frames together: some 4 MB of text


def trajectory_view(
    positions: ArrayLike, numbers: ArrayLike, times: ArrayLike | None = None, cell: ArrayLike | None = None
) -> Exhibit:
    """Atoms in motion, which the page plays and the mouse turns.

    Without a cell the motion of the center is taken out. Long trajectories are thinned, and the caption says so.

    Args:
        positions: Positions [Angstrom], [frames, atoms, 3] (or one frame, [atoms, 3]).
        numbers: Atomic numbers, [atoms].
        times: Time of each frame [fs]; frames count up without it.
        cell: Lattice vectors as rows [Angstrom], drawn as a box.
    """
    frames = np.asarray(positions, dtype=float)
    frames = frames[None] if frames.ndim == 2 else frames
    clock = np.arange(len(frames), dtype=float) if times is None else np.asarray(times, dtype=float)
    vectors = np.zeros((3, 3)) if cell is None else np.asarray(cell, dtype=float)
    lattice = vectors.tolist() if vectors.any() else []
    if not lattice:
        frames = frames - frames.mean(axis=1, keepdims=True)
    symbols = [chemical_symbols[z] for z in np.asarray(numbers, dtype=int)]
    most = int(np.clip(MOST_ATOMS // max(1, len(symbols)), 1, MOST_FRAMES))
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(most, len(frames))).round().astype(int))
    text = "".join(_frame(symbols, frames[k]) for k in chosen)
    span = f"{len(chosen)} of {len(frames)} frames" if len(chosen) < len(frames) else f"{len(frames)} frames"
    caption = f"{len(symbols)} atoms, {span}" + (
        "" if times is None else f" over {format_value(float(clock[-1] - clock[0]), digits=3)} fs"
    )
    caption += ". Drag to turn, scroll or pinch to zoom."
    elements = {symbol: _color(symbol) for symbol in dict.fromkeys(symbols)}
    label = f"Moving 3D picture of {len(symbols)} atoms"
    return Exhibit(caption=caption, view=View3D(text, clock[chosen].tolist(), lattice, elements, label))


def still_view(positions: ArrayLike, numbers: ArrayLike, cell: ArrayLike | None = None) -> View3D:
    """One frame, for what moves it.

    Args:
        positions: Positions [Angstrom], [atoms, 3].
        numbers: Atomic numbers, [atoms].
        cell: Lattice vectors as rows [Angstrom], drawn as a box.
    """
    view = trajectory_view(positions, numbers, cell=cell).view
    assert view is not None
    return view._replace(label=f"Moving 3D picture of the vibrations of {len(np.asarray(numbers))} atoms")


def _frame(symbols: list[str], positions: np.ndarray) -> str:
    atoms = (f"{s} {x:.3f} {y:.3f} {z:.3f}\n" for s, (x, y, z) in zip(symbols, positions, strict=True))
    return f"{len(symbols)}\n\n{''.join(atoms)}"


def _color(symbol: str) -> str:
    """Jmol's color of the element, hydrogen and carbon moved off the colors of the page."""
    fixed = {"H": "#d7dbe0", "C": "#565c66"}
    red, green, blue = (int(255 * c) for c in jmol_colors[chemical_symbols.index(symbol)])
    return fixed.get(symbol, f"#{red:02x}{green:02x}{blue:02x}")
