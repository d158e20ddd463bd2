"""Radial functions of SpookyNet against SciPy's polynomials and the published formula of the cutoff."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import BPoly

from atnn.functions.bernstein import bump, exponential_bernstein


@pytest.mark.parametrize("count", [2, 5, 16, 32])
def test_functions_are_bernstein_polynomials_of_the_exponential(count):
    r, gamma = torch.linspace(0.05, 6.0, 50, dtype=torch.float64), 0.9448630629
    found = exponential_bernstein(r, torch.tensor(gamma, dtype=torch.float64), count)
    for v in range(count):
        expected = BPoly(np.eye(count)[v][:, None], [0, 1])(np.exp(-gamma * r.numpy()))
        np.testing.assert_allclose(found[:, v], expected, rtol=1e-10, atol=1e-25)


@given(st.floats(0.05, 10), st.floats(0.1, 3), st.integers(2, 40))
def test_functions_sum_to_one_and_the_largest_is_where_x_is_v_over_n(r, gamma, count):
    values = exponential_bernstein(torch.tensor([r]).double(), torch.tensor(gamma).double(), count)[0]
    assert values.sum().item() == pytest.approx(1.0, abs=1e-12)
    assert values.argmax().item() == pytest.approx(np.exp(-gamma * r) * (count - 1), abs=1.0)


def test_values_in_single_precision_are_right_close_and_far():
    r = torch.tensor([1e-3, 0.1, 1.0, 5.0, 50.0])
    gamma = torch.tensor(0.9448630629)
    double = exponential_bernstein(r.double(), gamma.double(), 16)
    torch.testing.assert_close(exponential_bernstein(r, gamma, 16).double(), double, rtol=1e-4, atol=1e-7)


def test_the_cutoff_is_the_published_one_and_zero_beyond():
    r, cutoff = torch.linspace(0.0, 5.2, 40, dtype=torch.float64), 5.2917721
    expected = np.exp(-(r.numpy() ** 2) / ((cutoff - r.numpy()) * (cutoff + r.numpy())))
    np.testing.assert_allclose(bump(r, cutoff), expected, rtol=1e-12)
    assert bump(torch.tensor([cutoff, 6.0, 100.0]), cutoff).abs().max() == 0


def test_four_derivatives_of_the_cutoff_vanish_at_its_end():
    r = torch.tensor([2.99, 2.999, 3.0, 3.1], dtype=torch.float64, requires_grad=True)
    value = bump(r, 3.0)
    for _ in range(4):
        (value,) = torch.autograd.grad(value.sum(), r, create_graph=True)
        assert torch.isfinite(value).all() and value.abs().max() < 1e-10


def test_derivatives_pass_gradcheck():
    r = torch.tensor([0.4, 1.3, 2.6, 2.97, 3.5], dtype=torch.float64, requires_grad=True)
    gamma = torch.tensor(0.9, dtype=torch.float64, requires_grad=True)

    def radial(r, gamma):
        return exponential_bernstein(r, gamma, 7) * bump(r, 3.0)[:, None]

    assert torch.autograd.gradcheck(radial, (r, gamma)) and torch.autograd.gradgradcheck(radial, (r, gamma))
