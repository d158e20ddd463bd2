"""Fixtures for tests of data and reading: random labelled structures, and small files of water.

Nothing of atnn may be imported here before a fixture is used: the type-checking hook comes later.
"""

from __future__ import annotations

import numpy as np
import pytest


def make_labelled(seed: int, count: int = 5, full: bool = False):
    """Structures of 1 to 6 atoms well apart, periodic or not, with all labels of the table or some of them."""
    import torch

    from atnn.quantities import QUANTITIES
    from atnn.structures import Labelled, Structures

    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 7, count)
    pbc = rng.random((count, 3)) < 0.5
    cells = np.diag([30.0, 31.0, 32.0]) + rng.normal(0, 1, (count, 3, 3))
    cells[~pbc.any(1)] = 0.0
    batch = np.repeat(np.arange(count), counts)
    grid = np.concatenate([np.arange(n) for n in counts])[:, None] * [3.0, 1.0, 1.0] + 3.0
    numbers = rng.choice([1, 6, 7, 8], len(batch))
    charge = rng.integers(-1, 2, count).astype(float) if full or rng.random() < 0.5 else None
    electrons = np.bincount(batch, numbers) - (0 if charge is None else charge)
    spin = (electrons % 2).astype(np.int64) + 2 * ((electrons > 3) & (rng.random(count) < 0.5))
    structures = Structures(
        positions=torch.from_numpy(grid + rng.normal(0, 0.2, (len(batch), 3))),
        numbers=torch.from_numpy(numbers),
        cell=torch.from_numpy(cells),
        pbc=torch.from_numpy(pbc),
        batch=torch.from_numpy(batch),
        charge=None if charge is None else torch.from_numpy(charge),
        spin=torch.from_numpy(spin) if full or rng.random() < 0.5 else None,
        field=torch.from_numpy(rng.normal(0, 0.1, (count, 3))) if full or rng.random() < 0.5 else None,
        adsorbate=torch.from_numpy(rng.random(len(batch)) < 0.5),
    )
    labels, masks = {}, {}
    for name, entry in QUANTITIES.items():
        if not full and rng.random() < 0.4:
            continue
        mask = np.ones(count, dtype=bool) if full else rng.random(count) < 0.7
        if not mask.any():
            continue
        values = torch.from_numpy(rng.normal(0, 1, (structures.totals[entry.axis], *entry.shape)))
        mask = torch.from_numpy(mask)
        if entry.symmetric:
            values = symmetrise(values, structures, entry.axis)
        values[~mask[structures.rows(entry.axis)]] = 0.0
        labels[name], masks[name] = values, mask
    return Labelled(structures, labels, masks)


def symmetrise(values, structures, axis):
    """The part of a tensor that does not change if its last two axes, and for pairs the two atoms, are exchanged."""
    if not axis.endswith("_pair"):
        return 0.5 * (values + values.transpose(-1, -2))
    places = {pair: row for row, pair in enumerate(map(tuple, structures.pairs(axis).T.tolist()))}
    exchanged = [places[second, first] for first, second in places]
    return 0.5 * (values + values[exchanged].transpose(-1, -2))


def assert_equal_labelled(a, b) -> None:
    """Exactly the same structures and labels."""
    import torch

    for name in ("positions", "numbers", "cell", "pbc", "batch", "charge", "spin", "field", "adsorbate"):
        first, second = getattr(a.structures, name), getattr(b.structures, name)
        assert (first is None) == (second is None), name
        if first is not None:
            assert first.dtype == second.dtype and torch.equal(first, second), name
    assert set(a.labels) == set(b.labels) == set(a.masks) == set(b.masks)
    for name, value in a.labels.items():
        assert torch.equal(a.masks[name], b.masks[name]), name
        assert torch.equal(value, b.labels[name]), name


@pytest.fixture(scope="session")
def random_labelled():
    return make_labelled


@pytest.fixture(scope="session")
def assert_same():
    return assert_equal_labelled


@pytest.fixture
def water_file(tmp_path):
    """Writes an extended XYZ of frames given as comment lines, each with the same water molecule moved a bit."""

    def write(*comments: str, columns: str = "", values: str = "", name: str = "water.xyz"):
        path = tmp_path / name
        lines = []
        for index, comment in enumerate(comments):
            lines += ["3", f"Properties=species:S:1:pos:R:3{columns} {comment}"]
            for symbol, position in (
                ("O", (0.0, 0.0, 0.1)),
                ("H", (0.0, 0.76, -0.47)),
                ("H", (0.0, -0.76, -0.47 + 0.01 * index)),
            ):
                lines.append(f"{symbol} {position[0]} {position[1]} {position[2]} {values}")
        path.write_text("\n".join(lines) + "\n")
        return path

    return write
