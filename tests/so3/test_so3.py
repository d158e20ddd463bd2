"""Spherical harmonics against SciPy, couplings against the algebra of angular momentum."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from scipy.special import sph_harm_y

from atnn.so3 import couplings, spherical_harmonics

POINTS = np.random.default_rng(0).normal(size=(40, 3))
POINTS /= np.linalg.norm(POINTS, axis=1, keepdims=True)


def real_harmonics(degree, points):
    """From the complex ones of SciPy without the Condon-Shortley phase; cosine and sine for m = l down, then m = 0."""
    theta, phi = np.arccos(points[:, 2]), np.arctan2(points[:, 1], points[:, 0])
    columns = []
    for m in range(degree, -1, -1):
        y = sph_harm_y(degree, m, theta, phi) * (-1) ** m * np.sqrt(4 * np.pi)
        columns += [np.sqrt(2) * y.real, np.sqrt(2) * y.imag] if m else [y.real]
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_harmonics_are_those_of_scipy(degree):
    found = spherical_harmonics(torch.from_numpy(POINTS), 3)[degree].numpy()
    expected = real_harmonics(degree, POINTS)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_allclose((found**2).sum(1), 2 * degree + 1)


def test_degree_one_is_x_y_z():
    found = spherical_harmonics(torch.eye(3, dtype=torch.float64), 1)[1]
    torch.testing.assert_close(found, 3**0.5 * torch.eye(3, dtype=torch.float64))


@pytest.mark.parametrize(("degree", "count"), [(1, 4), (2, 11), (3, 23)])
def test_every_path_that_parity_and_the_triangle_allow_is_there_once(degree, count):
    paths, terms = couplings(degree)
    assert len(set(paths)) == len(paths) == count
    assert all((a + b + c) % 2 == 0 and abs(a - b) <= c <= a + b for a, b, c in paths)
    for path, (_, _, c) in enumerate(paths):
        assert sum(t[4] ** 2 for t in terms if t[2] == path) == pytest.approx(2 * c + 1)


def test_products_turn_as_their_factors_do():
    paths, terms = couplings(3)
    matrix = Rotation.from_rotvec([0.5, -0.2, 1.3]).as_matrix()
    unit = torch.from_numpy(POINTS)
    # Each degree's matrix from harmonics of many points, before and after the rotation.
    turns = [
        torch.linalg.lstsq(y, z).solution.T
        for y, z in zip(
            spherical_harmonics(unit, 3), spherical_harmonics(unit @ torch.from_numpy(matrix).T, 3), strict=True
        )
    ]
    turn = torch.block_diag(*turns)
    generator = torch.Generator().manual_seed(1)
    a, b = torch.randn(2, 16, dtype=torch.float64, generator=generator)
    for path in range(len(paths)):

        def product(x, y, path=path):
            out = torch.zeros(16, dtype=torch.float64)
            for p, q, s, r, c in terms:
                if s == path:
                    out[r] += c * x[p] * y[q]
            return out

        torch.testing.assert_close(product(turn @ a, turn @ b), turn @ product(a, b))
        assert product(a, b).abs().max() > 1e-3


def test_vectors_couple_to_their_scalar_product():
    _, terms = couplings(1)
    a, b = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([-1.0, 0.5, 2.0])
    found = sum(c * a[p - 1] * b[q - 1] for p, q, _, r, c in terms if p and q and r == 0)
    assert float(found) == pytest.approx(float(a @ b) / 3**0.5)
