"""Checking the values of one key and shaping them as the table of quantities says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from atnn.errors import DataError
from atnn.quantities import Quantity
from atnn.reading.raw import MOVE_MASK, RawFrame

HEAVIEST = 118  # element
LARGEST = 1e9  # coordinate, in any unit of length
_VOIGT = [0, 5, 4, 5, 1, 3, 4, 3, 2]  # xx yy zz yz xz xy -> row-major 3 x 3, ASE's order
_ASYMMETRY = 1e-4  # of the largest component; more than digits of a file leave
_IMPOSSIBLE = 0.1  # of the largest component; more than noise leaves
_SMALL = 1e-3  # in the package's units; components below are noise, e.g. stresses of 1 kbar or 0.01 Angstrom^3


def find_shape(entry: Quantity, frame: RawFrame) -> tuple[int, ...]:
    """Shape of a quantity's values in a frame."""
    return (len(frame.numbers), *entry.shape) if entry.axis == "atom" else entry.shape


def check_numbers(value: Any, shape: tuple[int, ...], where: str, key: str, partial: bool = False) -> np.ndarray:
    """A value of a file as an array of that shape.

    Args:
        value: The value.
        shape: The shape; an array of the same size is reshaped.
        where: File and frame, for messages.
        key: Key in the file, for messages.
        partial: Whether rows may be NaN in all components, for atoms without a label.

    Raises:
        DataError: It is not a number, not finite, or has another shape.
    """
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "iuf":  # words, too: Python takes "1_0" for ten
            raise ValueError
        array = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise DataError(
            f"{key!r} is {str(value)[:80]!r}, not a number",
            where=where,
            remedy="repair the frame or declare another key",
        ) from None
    if array.size != math.prod(shape) or (array.ndim == 2 and len(shape) == 2 and array.shape != shape):
        raise DataError(
            f"{key!r} has the shape {array.shape}, expected {shape}",
            where=where,
            remedy="repair the frame or declare another key",
        )
    finite = np.isfinite(array)
    if partial:
        finite |= np.isnan(array.reshape(shape[0], -1)).all(1).reshape(-1, *[1] * (array.ndim - 1))
    if not finite.all():
        raise DataError(
            f"{key!r} holds NaN or infinite numbers",
            where=where,
            remedy="remove the frame, or leave the label out of it: missing labels are masked",
        )
    return array.reshape(shape)


def check_geometries(frames: Sequence[RawFrame]) -> None:
    """Check atomic numbers and shapes of frames, and that positions and cells are finite.

    Raises:
        DataError: They cannot be those of a structure; the message names the first such frame.
    """
    fitting = all(
        len(frame.numbers) and frame.positions.shape == (len(frame.numbers), 3) and frame.cell.shape == (3, 3)
        for frame in frames
    )
    if fitting:  # numbers of many frames are looked at together, which takes a tenth of the time
        numbers = np.concatenate([frame.numbers for frame in frames])
        coordinates = (np.concatenate([getattr(f, name) for f in frames]) for name in ("positions", "cell"))
        if numbers.min() >= 1 and numbers.max() <= HEAVIEST and all(np.abs(c).max() < LARGEST for c in coordinates):
            return
    for frame in frames:
        _check_geometry(frame)


def _check_geometry(frame: RawFrame) -> None:
    numbers = frame.numbers
    if len(numbers) == 0:
        raise DataError("frame without atoms", where=frame.where, remedy="remove the frame")
    if numbers.min() < 1 or numbers.max() > HEAVIEST:
        wrong = numbers[(numbers < 1) | (numbers > HEAVIEST)][0]
        raise DataError(f"{wrong} is no atomic number", where=frame.where, remedy=f"write 1 to {HEAVIEST}")
    for name, array, shape in (
        ("positions", frame.positions, (len(numbers), 3)),
        ("vectors of the cell", frame.cell, (3, 3)),
    ):
        if array.shape != shape:
            raise DataError(
                f"{name} have the shape {array.shape}, expected {shape}", where=frame.where, remedy="repair the frame"
            )
        if not np.abs(array).max() < LARGEST:  # NaN, too
            raise DataError(
                f"{name} are NaN, infinite, or larger than {LARGEST:g}", where=frame.where, remedy="repair the frame"
            )


def expand_voigt(value: Any, shape: tuple[int, ...]) -> Any:
    """Symmetric tensors given as six numbers each, in the order xx yy zz yz xz xy, as 3 x 3; others unchanged."""
    tensors = math.prod(shape[:-2])
    if np.size(value) != 6 * tensors:
        return value
    return np.asarray(value).reshape(tensors, 6)[:, _VOIGT].reshape(shape)


def symmetrize(value: np.ndarray) -> tuple[np.ndarray, bool]:
    """The symmetric part of the last two axes, and whether anything but rounding was lost."""
    symmetric = 0.5 * (value + value.swapaxes(-1, -2))
    return symmetric, bool(np.abs(value - symmetric).max() > _ASYMMETRY * (np.abs(value).max() + 1e-12))


def refuse_asymmetry(value: np.ndarray, symmetric: np.ndarray, scale: float, where: str, key: str) -> None:
    """Refuse a tensor that is far from symmetric.

    Args:
        value: The tensor in the units of its file.
        symmetric: Its symmetric part.
        scale: Factor to the package's units.
        where: File and frame, for messages.
        key: Key in the file, for messages.

    Raises:
        DataError: Its antisymmetric part is more than a tenth of its largest component.
    """
    lost, largest = np.abs(value - symmetric).max(), np.abs(value).max()
    if lost * scale > _IMPOSSIBLE * max(largest * scale, _SMALL):
        raise DataError(
            f"{key!r} is not symmetric: exchanging two indices changes it by {2 * lost:.3g}, its largest component is "
            f"{largest:.3g}",
            where=where,
            remedy="look at the order of its numbers: nine in rows, or six as xx yy zz yz xz xy; or remove the frame",
        )


def join_fixed(frames: Sequence[RawFrame]) -> Bool[Tensor, " atoms"] | None:
    """Which atoms are fixed, None if no frame says so.

    Raises:
        DataError: A frame fixes single components of positions.
    """
    if not any(MOVE_MASK in frame.arrays for frame in frames):
        return None
    parts = []
    for frame in frames:
        mask = np.asarray(frame.arrays.get(MOVE_MASK, np.ones(len(frame.numbers), dtype=bool)))
        if mask.ndim == 2:
            if (mask != mask[:, :1]).any():
                raise DataError(
                    f"{MOVE_MASK} fixes single components of positions",
                    where=frame.where,
                    remedy="fix whole atoms, or remove the column",
                )
            mask = mask[:, 0]
        if mask.dtype.kind != "b":
            raise DataError(f"{MOVE_MASK} holds no truth values", where=frame.where, remedy="write move_mask:L:1")
        parts.append(~mask)
    return torch.from_numpy(np.concatenate(parts))


def join_values(
    values: Sequence[np.ndarray | None], entry: Quantity, frames: Sequence[RawFrame], scale: float
) -> tuple[Float[Tensor, "rows ..."], Bool[Tensor, " structures"]]:
    """The values of several frames as one label and its mask; zeros stand where a frame has none."""
    mask = torch.tensor([value is not None for value in values])
    filled = [
        np.zeros(find_shape(entry, frame)) if value is None else value
        for value, frame in zip(values, frames, strict=True)
    ]
    joined = np.concatenate(filled) if entry.axis == "atom" else np.stack(filled)
    return torch.from_numpy(np.ascontiguousarray(joined * scale)), mask
