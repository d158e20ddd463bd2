"""Sums over triples, beyond what ``tests/contracts/test_kernel.py`` asks of every operation."""

import importlib
import itertools

import pytest
import torch

from atnn.errors import SpecificationError
from atnn.kernels import TripleFunctions, triples
from atnn.kernels.triples import _Triples, reference
from atnn.model.tracing import trace
from kernels.test_native import fused

# Atom 1 has no neighbors, atom 3 a single one, atom 4 more than fill a vector register.
OFFSETS = torch.tensor([0, 7, 7, 30, 31, 90])
FUNCTIONS = TripleFunctions(
    kinds=3,
    cutoff=2.5,
    envelope=4,
    etas=(0.1, 0.7, 0.1),
    narrow=(1, 1, 0),
    functions=((0, 1, 1), (0, 1, -1), (0, 4, 1), (1, 2, 1), (1, 7, -1), (2, 1, 1), (2, 16, 1)),
)


def neighborhood(seed=0, kinds=3, offsets=OFFSETS):
    generator, pairs = torch.Generator().manual_seed(seed), int(offsets[-1])
    vectors = 1.2 * torch.randn(pairs, 3, generator=generator, dtype=torch.float64)
    lengths = vectors.norm(dim=1)
    radial = torch.rand(pairs, 3, generator=generator, dtype=torch.float64) + 0.1
    kind = torch.randint(0, kinds, (pairs,), generator=generator)
    return vectors / lengths[:, None], lengths, radial, kind


def table_of(unit, lengths, radial):
    return torch.cat([unit, lengths[:, None], radial], dim=1)


@fused
def test_third_derivatives_are_refused_rather_than_wrong():
    unit, lengths, radial, kind = neighborhood()
    lengths.requires_grad_()
    result = triples(unit, lengths, radial, kind, OFFSETS, FUNCTIONS).sum()
    for _ in range(2):
        (result,) = torch.autograd.grad(result, lengths, create_graph=True)
        result = result.sum()
    with pytest.raises(SpecificationError, match="third derivatives"):
        torch.autograd.grad(result, lengths)


@fused
def test_a_directional_derivative_may_be_differentiated_by_everything():
    unit, lengths, radial, kind = neighborhood()
    table = table_of(unit, lengths, radial).requires_grad_()
    direction = torch.ones_like(table).requires_grad_()
    weights = torch.linspace(-1, 1, 7).double()
    results = []
    for sums in (_Triples.apply, reference):
        gradient = torch.zeros(5, 6, 7, dtype=torch.float64).requires_grad_()
        (first,) = torch.autograd.grad(
            (sums(table, kind, OFFSETS, FUNCTIONS) * gradient).sum(), table, create_graph=True
        )
        (along,) = torch.autograd.grad((first * direction).sum(), gradient, create_graph=True)
        results.append((along, *torch.autograd.grad((along * weights).sum(), (table, direction))))
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-11)


def test_the_order_of_the_neighbors_does_not_matter():
    unit, lengths, radial, kind = neighborhood()
    ranges = [range(a, b) for a, b in itertools.pairwise(OFFSETS.tolist())]
    order = torch.tensor([e for pairs in ranges for e in reversed(pairs)])
    before = triples(unit, lengths, radial, kind, OFFSETS, FUNCTIONS)
    after = triples(unit[order], lengths[order], radial[order], kind[order], OFFSETS, FUNCTIONS)
    torch.testing.assert_close(after, before, rtol=1e-12, atol=1e-12)


def test_no_functions_give_no_sums():
    unit, lengths, radial, kind = neighborhood()
    without = FUNCTIONS._replace(etas=(), narrow=(), functions=())
    assert triples(unit, lengths, radial[:, :0], kind, OFFSETS, without).shape == (5, 6, 0)


def test_compilation_without_the_compiled_kernels_is_refused(monkeypatch):
    monkeypatch.setattr(importlib.import_module("atnn.kernels.triples"), "is_fused", lambda tensor: False)

    def sums(*arguments):
        return [triples(*arguments, FUNCTIONS)]

    sizes = [("pairs", None), ("pairs",), ("pairs", None), ("pairs",), ("atoms+1",)]
    with pytest.raises(SpecificationError, match="cannot be compiled"):
        trace(sums, (*neighborhood(), OFFSETS), sizes)
