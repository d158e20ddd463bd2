"""Blocks between shells: decomposition into tensors, which turn as they should."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from atnn.so3 import coupling, join_block, spherical_harmonics, split_block, turning_matrices

ROTATION = torch.from_numpy(Rotation.from_rotvec([0.5, -0.2, 1.3]).as_matrix())
POINTS = torch.from_numpy(np.random.default_rng(0).normal(size=(20, 3)))
UNIT = POINTS / POINTS.norm(dim=1, keepdim=True)
PAIRS = [(a, b) for a in range(5) for b in range(5)]


@pytest.mark.parametrize("rotation", [ROTATION, -ROTATION], ids=["rotation", "reflection"])
def test_harmonics_turn_by_the_matrices(rotation):
    matrices = turning_matrices(rotation, 6)
    for matrix, before, after in zip(
        matrices, spherical_harmonics(UNIT, 6), spherical_harmonics(UNIT @ rotation.T, 6), strict=True
    ):
        torch.testing.assert_close(after, before @ matrix.T, rtol=0, atol=1e-11)
        torch.testing.assert_close(matrix @ matrix.T, torch.eye(len(matrix)).double(), rtol=0, atol=1e-11)
    torch.testing.assert_close(matrices[1], rotation)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_blocks_are_the_sum_of_their_tensors(first, second):
    block = torch.randn(
        3, 2 * first + 1, 2 * second + 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )
    parts = split_block(block)
    assert sum(part.shape[1] for part in parts) == (2 * first + 1) * (2 * second + 1)
    torch.testing.assert_close(join_block(parts, first, second), block)
    # Orthonormal: the squares of the tensors add up to those of the block.
    torch.testing.assert_close(sum((p**2).sum(1) for p in parts), (block**2).sum((1, 2)))


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_tensors_turn_with_their_block_in_rotations_and_reflections(first, second):
    block = torch.randn(2 * first + 1, 2 * second + 1, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    for rotation in (ROTATION, -ROTATION):
        turns = turning_matrices(rotation, first + second)
        turned = split_block(turns[first] @ block @ turns[second].T)
        for degree, part, after in zip(range(abs(first - second), 9), split_block(block), turned, strict=False):
            pseudo = (first + second + degree) % 2 and rotation is not ROTATION
            torch.testing.assert_close(after, (-1) ** pseudo * turns[degree] @ part, rtol=0, atol=1e-11)


def test_vectors_couple_to_scalar_and_vector_product():
    a, b = torch.tensor([1.0, 2.0, 3.0]).double(), torch.tensor([-1.0, 0.5, 2.0]).double()
    scalar, vector, _ = split_block(torch.outer(a, b))
    assert abs(float(scalar)) == pytest.approx(float(a @ b) / 3**0.5)
    expected = torch.linalg.cross(a, b) / 2**0.5
    torch.testing.assert_close(vector * torch.sign(vector @ expected), expected)


def test_couplings_of_degree_zero_are_the_identity():
    for degree in range(5):
        np.testing.assert_allclose(coupling(0, degree, degree)[0], np.eye(2 * degree + 1), atol=1e-14)
