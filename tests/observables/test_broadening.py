"""Lines with a width keep their area, and have the width that they are given."""

from __future__ import annotations

import numpy as np
import pytest

from atnn.errors import SpecificationError
from atnn.observables import broaden

GRID = np.linspace(-20000, 24000, 440001)


@pytest.mark.parametrize(("shape", "rel"), [("lorentzian", 1e-3), ("gaussian", 1e-9)])
def test_areas_and_widths_are_kept(shape, rel):
    places, areas = np.array([500.0, 3000.0]), np.array([3.0, 7.0])
    curve = broaden(GRID, places, areas, 20.0, shape)
    assert np.trapezoid(curve, GRID) == pytest.approx(10.0, rel=rel)
    top = GRID[curve > 0.5 * curve.max()]
    assert top[-1] - top[0] == pytest.approx(20.0, abs=0.3) and top.mean() == pytest.approx(3000.0, abs=0.1)


def test_lines_without_width_are_refused():
    with pytest.raises(SpecificationError, match="a width of 0"):
        broaden(GRID, np.ones(1), np.ones(1), 0.0)
