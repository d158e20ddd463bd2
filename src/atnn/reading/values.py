"""Checking the values of one key and shaping them as the table of quantities says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from ase.data import atomic_masses
from jaxtyping import Bool, Float
from torch import Tensor

from atnn.atoms import parse_mask
from atnn.data.matrices import find_file_shape, split_matrix
from atnn.errors import DataError
from atnn.quantities import Quantity
from atnn.reading.raw import INDEX_KEYS, MASSES, MOVE_MASK, RawFrame
from atnn.stated import ADSORBATE

HEAVIEST = 118  # element
LARGEST = 1e9  # coordinate, in any unit of length
_VOIGT = [0, 5, 4, 5, 1, 3, 4, 3, 2]  # xx yy zz yz xz xy -> row-major 3 x 3, ASE's order
_ASYMMETRY = 1e-4  # of the largest component; more than digits of a file leave
_IMPOSSIBLE = 0.1  # of the largest component; more than noise leaves
_SMALL = 1e-3  # in the package's units; components below are noise, e.g. stresses of 1 kbar or 0.01 Angstrom^3


def find_shape(entry: Quantity, frame: RawFrame) -> tuple[int, ...]:
    """Shape of a quantity's values in a frame of a file, where values of pairs of atoms are matrices."""
    return find_file_shape(entry, count_rows(entry, frame))


def count_rows(entry: Quantity, frame: RawFrame) -> int:
    """Number of rows of a quantity in a frame."""
    if entry.axis == "structure":
        return 1
    marked = entry.axis in ("adsorbate", "adsorbate_pair")
    single = int(np.count_nonzero(frame.arrays.get(ADSORBATE, ()))) if marked else len(frame.numbers)
    return single**2 if entry.axis.endswith("_pair") else single


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
    if shape[-2:] != (3, 3) or np.size(value) != 6 * tensors:
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


def remove_masses(value: np.ndarray, entry: Quantity, frame: RawFrame) -> np.ndarray:
    """A mass-weighted matrix times the square roots of the masses of its rows and columns.

    Args:
        value: The matrix [3 n, 3 n] of n atoms.
        entry: Tells which atoms these are.
        frame: Its column ``masses`` has the masses [amu]; without one they are the standard atomic weights.

    Raises:
        DataError: A mass is no positive number.
    """
    masses = frame.arrays.get(MASSES, atomic_masses[frame.numbers])
    masses = check_numbers(masses, (len(frame.numbers),), frame.where, MASSES)
    if entry.axis == "adsorbate_pair":
        masses = masses[np.asarray(frame.arrays[ADSORBATE], dtype=bool)]
    if masses.min() <= 0:
        raise DataError(
            f"a mass of {masses.min():g} amu", where=frame.where, remedy=f"repair or remove the column {MASSES}"
        )
    roots = np.repeat(np.sqrt(masses), len(value) // len(masses))
    return value * roots[:, None] * roots


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


def mark_adsorbates(frame: RawFrame) -> RawFrame:
    """The frame with a column of its adsorbates, if it lists their indices, counted from zero.

    Raises:
        DataError: They are no indices of atoms, or contradict each other.
    """
    for key in [key for key in INDEX_KEYS if key in frame.info]:
        given = np.ravel(frame.info[key])
        if given.dtype.kind not in "iu" or len(np.unique(given)) < len(given) or not _are_atoms(given, frame):
            raise DataError(
                f"{key} = {str(frame.info[key])[:80]} are no indices of {len(frame.numbers)} atoms",
                where=frame.where,
                remedy="list each atom of the adsorbate once, counted from zero",
            )
        mask = np.isin(np.arange(len(frame.numbers)), given)
        known = frame.arrays.get(ADSORBATE, mask)
        if not np.array_equal(known, mask):
            raise DataError(
                f"{key} and other marks of the adsorbate contradict each other",
                where=frame.where,
                remedy="keep one of them",
            )
        frame = frame._replace(arrays={**frame.arrays, ADSORBATE: mask})
    return frame


def _are_atoms(indices: np.ndarray, frame: RawFrame) -> bool:
    return bool(((indices >= 0) & (indices < len(frame.numbers))).all())


def join_adsorbates(frames: Sequence[RawFrame]) -> Bool[Tensor, " atoms"] | None:
    """Which atoms are of an adsorbate, None if no frame says so.

    Raises:
        DataError: A frame holds something else than truth values.
    """
    if not any(ADSORBATE in frame.arrays for frame in frames):
        return None
    none = (torch.zeros(len(frame.numbers), dtype=torch.bool) for frame in frames)
    given = (parse_mask(frame.arrays.get(ADSORBATE), ADSORBATE, frame.where) for frame in frames)
    return torch.cat([empty if mask is None else mask for mask, empty in zip(given, none, strict=True)])


def join_values(
    values: Sequence[np.ndarray | None], entry: Quantity, frames: Sequence[RawFrame], scale: float
) -> tuple[Float[Tensor, "rows ..."], Bool[Tensor, " structures"]]:
    """The values of several frames as one label and its mask; zeros stand where a frame has none."""
    mask = torch.tensor([value is not None for value in values])
    filled = [
        np.zeros(find_shape(entry, frame)) if value is None else value
        for value, frame in zip(values, frames, strict=True)
    ]
    rows = [split_matrix(value, entry, count_rows(entry, frame)) for value, frame in zip(filled, frames, strict=True)]
    joined = np.stack(rows) if entry.axis == "structure" else np.concatenate(rows)
    return torch.from_numpy(np.ascontiguousarray(joined * scale)), mask
