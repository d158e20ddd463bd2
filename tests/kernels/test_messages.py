"""Messages and couplings: native kernels against their definition, and every order of differentiation."""

import os
import subprocess
import sys

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from atnn.kernels import couple, gather_reverse, messages, overlaps, pair_products, weighted_neighbor_sum
from atnn.so3 import couplings
from atnn.structures import Edges
from kernels.test_native import CENTERS, NEIGHBORS, OFFSETS, REVERSE, fused, random

EDGES = Edges(CENTERS, NEIGHBORS, REVERSE, OFFSETS, torch.zeros(8, 3), torch.ones(8))
DEGREE = torch.tensor([0, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3])
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-13}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("channels", [1, 3, 8, 16, 29])
@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_messages_and_overlaps_equal_their_definition(degree, channels, dtype):
    size = (degree + 1) ** 2
    weights, x = random(8, degree + 1, channels, dtype=dtype), random(4, size, channels, dtype=dtype, seed=1)
    y = random(4, size, channels, dtype=dtype, seed=2)
    expected = torch.zeros_like(x)
    for e in range(8):
        expected[CENTERS[e]] += weights[e, DEGREE[:size]] * x[NEIGHBORS[e]]
    tolerance = {"rtol": TOLERANCE[dtype], "atol": 10 * TOLERANCE[dtype]}
    torch.testing.assert_close(messages(weights, x, EDGES), expected, **tolerance)
    products = x[CENTERS] * y[NEIGHBORS]
    expected = torch.stack([products[:, DEGREE[:size] == d].sum(1) for d in range(degree + 1)], dim=1)
    torch.testing.assert_close(overlaps(x, y, EDGES, degree + 1), expected, **tolerance)
    torch.testing.assert_close(overlaps(x, y, EDGES, 1), expected.sum(1, keepdim=True), **tolerance)
    alike = weights[:, :1].expand(-1, degree + 1, -1)
    torch.testing.assert_close(messages(weights[:, :1], x, EDGES), messages(alike, x, EDGES), **tolerance)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("channels", [1, 5, 16, 39])
def test_spread_and_pair_products_equal_their_definition(channels, dtype):
    weights, x, y = (random(*s, dtype=dtype, seed=k) for k, s in enumerate([(8,), (4, channels), (4, channels)]))
    dense = torch.zeros(4, 4, dtype=dtype).index_put((CENTERS, NEIGHBORS), weights, accumulate=True)
    tolerance = {"rtol": TOLERANCE[dtype], "atol": 10 * TOLERANCE[dtype]}
    torch.testing.assert_close(weighted_neighbor_sum(weights, x, EDGES), dense @ x, **tolerance)
    torch.testing.assert_close(pair_products(x, y, EDGES), (x @ y.T)[CENTERS, NEIGHBORS], **tolerance)


@pytest.mark.parametrize("channels", [1, 8, 21])
def test_couple_equals_the_sum_over_its_terms(channels):
    paths, terms = couplings(2)
    a, b, w = random(4, 9, channels), random(4, 9, channels, seed=1), random(4, len(paths), channels, seed=2)
    expected = torch.zeros(4, 9, channels, dtype=torch.float64)
    for p, q, s, r, c in terms:
        expected[:, r] += c * a[:, p] * b[:, q] * w[:, s]
    torch.testing.assert_close(couple(a, b, w, terms, 9), expected)


def test_every_order_of_differentiation_is_right():
    _, terms = couplings(1)
    w, x, y = (random(*s, seed=k).requires_grad_() for k, s in enumerate([(8, 2, 2), (4, 4, 2), (4, 4, 2)]))
    scalar, path = random(8, seed=3).requires_grad_(), random(4, 4, 2, seed=4).requires_grad_()

    def form(w, x, y):
        return messages(w, x, EDGES), overlaps(x, y, EDGES, 2), messages(w[:, :1], y, EDGES), overlaps(x, y, EDGES, 1)

    def sparse(s, x, y):
        return weighted_neighbor_sum(s, x[:, 0], EDGES), pair_products(x[:, 0], y[:, 0], EDGES)

    def turned(w):
        return gather_reverse(w[:, 0], REVERSE)

    def product(x, y, path):
        return couple(x, y, path, terms, 4)

    for function, arguments in ((form, (w, x, y)), (sparse, (scalar, x, y)), (product, (x, y, path)), (turned, (w,))):
        assert gradcheck(function, arguments) and gradgradcheck(function, arguments)


@fused
def test_the_plain_references_pass_the_same_tests():
    """They run on GPUs and without a compiler; the choice is made once per process."""
    environment = os.environ | {"ATNN_KERNELS": "reference"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    found = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout
