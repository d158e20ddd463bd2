"""Linear attention against the exact softmax that it estimates."""

import pytest
import torch

from atnn.functions.attention import linear_attention, orthogonal_features

SIZES = (5, 1, 9)
BATCH = torch.repeat_interleave(torch.arange(3), torch.tensor(SIZES))
OFFSETS = torch.tensor([0, 5, 6, 15])


def inputs(width=4, channels=3, scale=1.0):
    generator = torch.Generator().manual_seed(2)
    return [scale * torch.randn(15, w, dtype=torch.float64, generator=generator) for w in (width, width, channels)]


def softmax_attention(queries, keys, values):
    parts = zip(queries.split(SIZES), keys.split(SIZES), values.split(SIZES), strict=True)
    return torch.cat([torch.softmax(q @ k.T / q.shape[1] ** 0.5, dim=1) @ v for q, k, v in parts])


def features(width, count, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return orthogonal_features(width, count).double()


def test_random_features_are_orthogonal_in_blocks_and_normally_distributed():
    found = features(16, 4096)
    for block in found.split(16, dim=1)[:5]:
        gram = block.T @ block
        torch.testing.assert_close(gram, torch.diag(torch.diagonal(gram)), rtol=0, atol=1e-4)
    assert found.mean().abs() < 0.02 and found.std() == pytest.approx(1.0, abs=0.02)
    assert (found.norm(dim=0) ** 2).var().item() == pytest.approx(2 * 16, rel=0.1)  # chi squared of 16 degrees
    assert torch.equal(found, features(16, 4096)) and features(16, 40).shape == (16, 40)


def test_many_features_give_the_exact_softmax_of_every_structure():
    exact = softmax_attention(*inputs())
    errors = [(linear_attention(*inputs(), features(4, n), BATCH, OFFSETS) - exact).abs().max() for n in (64, 65536)]
    assert errors[1] < 0.03 < errors[0]


def test_an_atom_alone_attends_to_itself():
    queries, keys, values = inputs()
    found = linear_attention(queries, keys, values, features(4, 16), BATCH, OFFSETS)
    torch.testing.assert_close(found[5], values[5])


def test_equal_values_stay_whatever_the_weights():
    queries, keys, values = inputs(scale=3.0)
    same = values[:1].expand_as(values)
    torch.testing.assert_close(linear_attention(queries, keys, same, features(4, 32), BATCH, OFFSETS), same)


def test_the_company_in_a_batch_does_not_matter_however_large_its_keys():
    queries, keys, values = inputs()
    w = features(4, 32)
    alone = linear_attention(queries[:5], keys[:5], values[:5], w, BATCH[:5], OFFSETS[:2])
    keys[5:] *= 300
    found = linear_attention(queries, keys, values, w, BATCH, OFFSETS)
    torch.testing.assert_close(found[:5], alone, rtol=1e-12, atol=0)
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_huge_queries_and_keys_neither_overflow_nor_vanish(dtype):
    queries, keys, values = (x.to(dtype).requires_grad_() for x in inputs(scale=200.0))
    found = linear_attention(queries, keys, values, features(4, 32).to(dtype), BATCH, OFFSETS)
    gradients = torch.autograd.grad(found.sum(), (queries, keys, values))
    assert torch.isfinite(found).all() and all(torch.isfinite(g).all() for g in gradients)


def test_derivatives_pass_gradcheck():
    arguments = tuple(x[:6].requires_grad_() for x in inputs())

    def attention(q, k, v):
        return linear_attention(q, k, v, w, BATCH[:6], OFFSETS[:3])

    w = features(4, 16)
    assert torch.autograd.gradcheck(attention, arguments) and torch.autograd.gradgradcheck(attention, arguments)


def test_the_order_of_the_atoms_of_a_structure_does_not_matter():
    arguments, order = inputs(), torch.cat([torch.randperm(5), torch.tensor([5]), 6 + torch.randperm(9)])
    w = features(4, 32)
    before = linear_attention(*arguments, w, BATCH, OFFSETS)
    after = linear_attention(*(x[order] for x in arguments), w, BATCH, OFFSETS)
    torch.testing.assert_close(after, before[order])
