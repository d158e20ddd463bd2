"""Sums over triples: the fused kernel, its derivatives and the plain reference agree with the definition."""

import importlib
import itertools
import math

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from atnn.errors import SpecificationError
from atnn.kernels import TripleFunctions, load_kernels, triples
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


def by_loops(unit, lengths, radial, kind, offsets, functions):
    """The definition, triple by triple."""
    rows = functions.kinds * (functions.kinds + 1) // 2
    out = torch.zeros(len(offsets) - 1, rows, len(functions.functions), dtype=torch.float64)
    for atom, (first, end) in enumerate(itertools.pairwise(offsets.tolist())):
        inside = [e for e in range(first, end) if lengths[e] < functions.cutoff]
        for j, k in itertools.combinations(inside, 2):
            apart = float((unit[j] * lengths[j] - unit[k] * lengths[k]).norm())
            a, b = sorted((int(kind[j]), int(kind[k])))
            for f, (w, zeta, sign) in enumerate(functions.functions):
                value = 2 ** (1 - zeta) * (1 + sign * float(unit[j] @ unit[k])) ** zeta * radial[j, w] * radial[k, w]
                if functions.narrow[w]:
                    wave = math.cos(math.pi * apart / functions.cutoff / 2) if apart < functions.cutoff else 0.0
                    value *= math.exp(-functions.etas[w] * apart**2) * wave**functions.envelope
                out[atom, b * (b + 1) // 2 + a, f] += value
    return out


@pytest.mark.parametrize("kinds", [1, 3])
@pytest.mark.parametrize("envelope", [2, 4])
def test_the_sums_equal_their_definition(kinds, envelope):
    functions = FUNCTIONS._replace(kinds=kinds, envelope=envelope)
    unit, lengths, radial, kind = neighborhood(kinds=kinds)
    assert (lengths > functions.cutoff).any()
    expected = by_loops(unit, lengths, radial, kind, OFFSETS, functions)
    for found in (
        triples(unit, lengths, radial, kind, OFFSETS, functions),
        reference(table_of(unit, lengths, radial), kind, OFFSETS, functions),
    ):
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)
    single = triples(unit.float(), lengths.float(), radial.float(), kind, OFFSETS, functions)
    torch.testing.assert_close(single.double(), expected, rtol=1e-4, atol=1e-5)


@fused
def test_first_and_second_derivatives_equal_those_of_the_reference():
    assert load_kernels()
    unit, lengths, radial, kind = neighborhood()
    table = table_of(unit, lengths, radial).requires_grad_()
    generator = torch.Generator().manual_seed(1)
    gradient = torch.randn(5, 6, 7, generator=generator, dtype=torch.float64).requires_grad_()
    direction = torch.randn(table.shape, generator=generator, dtype=torch.float64)
    results = []
    for sums in (_Triples.apply, reference):
        value = (sums(table, kind, OFFSETS, FUNCTIONS) * gradient).sum()
        (first,) = torch.autograd.grad(value, table, create_graph=True)
        results.append((first, *torch.autograd.grad((first * direction).sum(), (gradient, table))))
    for found, expected in zip(*results, strict=True):
        assert expected.abs().max() > 0.1
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-11)


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


def test_derivatives_are_those_of_the_values():
    offsets = torch.tensor([0, 4, 4, 9])
    unit, lengths, radial, kind = neighborhood(seed=2, offsets=offsets)
    variables = [x.requires_grad_() for x in (unit, lengths, radial)]

    def form(*variables):
        return triples(*variables, kind, offsets, FUNCTIONS)

    assert gradcheck(form, variables) and gradgradcheck(form, variables)


def test_the_order_of_the_neighbors_does_not_matter():
    unit, lengths, radial, kind = neighborhood()
    ranges = [range(a, b) for a, b in itertools.pairwise(OFFSETS.tolist())]
    order = torch.tensor([e for pairs in ranges for e in reversed(pairs)])
    before = triples(unit, lengths, radial, kind, OFFSETS, FUNCTIONS)
    after = triples(unit[order], lengths[order], radial[order], kind[order], OFFSETS, FUNCTIONS)
    torch.testing.assert_close(after, before, rtol=1e-12, atol=1e-12)


def test_no_pairs_and_no_functions_give_no_sums():
    offsets, kind = torch.zeros(4, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)
    nothing = triples(torch.zeros(0, 3), torch.zeros(0), torch.zeros(0, 3), kind, offsets, FUNCTIONS)
    assert nothing.shape == (3, 6, 7) and nothing.abs().sum() == 0
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
