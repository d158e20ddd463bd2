"""Linear attention against the exact softmax that it estimates."""

import pytest
import torch

from atnn.functions.attention import linear_attention, orthogonal_features, raised_attention

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


def raised(queries, keys, values, features, constant):
    """Attention of one structure with a constant in the features, in the words of the published code."""
    scale = queries.shape[1] ** -0.25
    phi = []
    for x, largest in ((queries, torch.amax(scale * queries @ features, 1, keepdim=True)), (keys, None)):
        products = scale * x @ features
        largest = products.max() if largest is None else largest
        phi.append(torch.exp(products - 0.5 * (scale * x).square().sum(1, keepdim=True) - largest) + constant)
    weights = phi[0] @ phi[1].T / features.shape[1]
    return weights @ values / (weights.sum(1, keepdim=True) + 1e-8)


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_a_constant_is_added_to_the_features_of_each_structure(scale):
    w, arguments = features(4, 16), inputs(scale=scale)
    found = raised_attention(*arguments, w, BATCH, OFFSETS, 1e-2)
    parts = zip(*(x.split(SIZES) for x in arguments), strict=True)
    torch.testing.assert_close(found, torch.cat([raised(*part, w, 1e-2) for part in parts]))
    assert (found - linear_attention(*arguments, w, BATCH, OFFSETS)).abs().max() > 1e-3


def test_attention_with_a_vanishing_constant_is_that_without():
    w, arguments = features(4, 16), inputs()
    found = raised_attention(*arguments, w, BATCH, OFFSETS, 0.0)
    # But for the 1e-8 that is added to the mean of the weights, which is as small as 1e-3 here.
    torch.testing.assert_close(found, linear_attention(*arguments, w, BATCH, OFFSETS), rtol=1e-4, atol=1e-4)


def test_derivatives_with_a_constant_pass_gradcheck():
    """Those of the largest products, too, which do not cancel then."""
    arguments = tuple(x[:6].requires_grad_() for x in inputs())

    def attention(q, k, v):
        return raised_attention(q, k, v, w, BATCH[:6], OFFSETS[:3], 0.1)

    w = features(4, 16)
    assert torch.autograd.gradcheck(attention, arguments) and torch.autograd.gradgradcheck(attention, arguments)
