"""Charges sum to the total charge of their structure."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from atnn.functions.charges import conserve_charges


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(0, 2**32 - 1))
def test_charges_sum_to_the_total_and_keep_their_differences(sizes, seed):
    generator = torch.Generator().manual_seed(seed)
    batch = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    raw = torch.randn(len(batch), generator=generator, dtype=torch.float64)
    total = torch.randint(-2, 3, (len(sizes),), generator=generator).double()
    charges = conserve_charges(raw, total, batch)
    torch.testing.assert_close(torch.zeros_like(total).index_add(0, batch, charges), total, rtol=0, atol=1e-12)
    for own, before in zip(charges.split(sizes), raw.split(sizes), strict=True):
        torch.testing.assert_close(own - own[0], before - before[0], rtol=0, atol=1e-12)


def test_many_charges_in_single_precision_sum_to_the_total_too():
    raw = torch.rand(100_000) + 5
    charges = conserve_charges(raw, torch.tensor([-1.0]), torch.zeros(100_000, dtype=torch.int64))
    assert charges.dtype == torch.float32
    assert charges.double().sum().item() == pytest.approx(-1.0, abs=1e-2)


def test_the_shift_has_gradients_that_sum_to_zero():
    raw = torch.randn(6, dtype=torch.float64, requires_grad=True)
    total, batch = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True), torch.tensor([0, 0, 0, 1, 1, 1])
    assert torch.autograd.gradcheck(conserve_charges, (raw, total, batch))
    weights = torch.arange(6.0, dtype=torch.float64)
    (slope,) = torch.autograd.grad((weights * conserve_charges(raw, total, batch)).sum(), raw)
    torch.testing.assert_close(slope.reshape(2, 3).sum(1), torch.zeros(2, dtype=torch.float64))
