"""Lines with a width."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float

from atnn.errors import SpecificationError

Shape = Literal["lorentzian", "gaussian"]


def broaden(
    grid: Float[np.ndarray, " points"],
    places: Float[np.ndarray, " lines"],
    areas: Float[np.ndarray, " lines"],
    width: float,
    shape: Shape = "lorentzian",
) -> Float[np.ndarray, " points"]:
    """Sum of lines, each with the area that it is given.

    Args:
        grid: Wavenumbers at which to give the sum [cm^-1].
        places: Wavenumbers of the lines [cm^-1].
        areas: Integrals over the lines.
        width: Full width at half maximum [cm^-1].
        shape: Shape of the lines.

    Raises:
        SpecificationError: The width is not positive.
    """
    if not width > 0:
        raise SpecificationError(f"a width of {width} cm^-1", where="broaden", remedy="give for instance 10 cm^-1")
    distances = (grid[:, None] - places) / (0.5 * width)
    if shape == "gaussian":
        lines = np.sqrt(np.log(2) / np.pi) * np.exp(-np.log(2) * distances**2)
    else:
        lines = 1 / (np.pi * (1 + distances**2))
    return lines @ areas / (0.5 * width)
