"""What every operation on pairs and atoms must satisfy, as a fused kernel and in plain PyTorch."""

import os

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from atnn import kernels
from atnn.kernels import load_kernels
from atnn.model.tracing import compile_graph, trace
from atnn.structures import Elements
from contracts.operations import GRAPHS, OPERATIONS, Graph

NO_OPERATIONS = {"TripleFunctions", "keep_memory", "load_kernels"}
DIFFERENTIABLE = [name for name in OPERATIONS if name != "mirror_pairs"]
EXACT = {"rtol": 1e-10, "atol": 1e-11}


@pytest.fixture(params=["fused", "plain"], autouse=True)
def kind(request, monkeypatch):
    """Which of both versions runs."""
    if request.param == "plain":
        monkeypatch.setattr("atnn.kernels.pairs.load_kernels", lambda: False)
    elif os.environ.get("ATNN_KERNELS") == "reference":
        pytest.skip("the fused kernels are switched off")
    return request.param


def random(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.randn(shape, dtype=torch.float64, generator=generator)


def cases(name):
    """Operation, graph, setting and arguments, over all graphs and settings."""
    operation = OPERATIONS[name]
    for title, graph in GRAPHS.items():
        if operation.reverse and graph.reverse is None:
            continue
        for setting in operation.settings:
            yield operation, graph, setting, operation.arguments(graph, setting, random()), f"{title}, {setting}"


def smallest(name):
    operation, graph = OPERATIONS[name], GRAPHS["small"]
    setting = operation.settings[0]
    return operation, graph, setting, operation.arguments(graph, setting, random())


def with_derivatives(function, arguments):
    """Value, first and second derivatives, each weighted with numbers that differ."""
    variables = [x.detach().requires_grad_() for x in arguments]
    value = function(*variables)
    # The sine, so that a linear operation has second derivatives, too.
    first = torch.autograd.grad(weighted(value.sin()), variables, create_graph=True)
    second = torch.autograd.grad(sum(weighted(gradient) for gradient in first), variables)
    return [x.detach() for x in (value, *first, *second)]


def weighted(x):
    return (x * torch.cos(torch.arange(x.numel(), device=x.device, dtype=x.dtype)).reshape(x.shape)).sum()


def bind(function, graph, setting):
    return lambda *arguments: function(graph, setting, *arguments)


def assert_alike(found, expected, where, **tolerance):
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, **tolerance, msg=lambda text: f"{where}\n{text}")


def test_every_operation_is_tested():
    assert set(OPERATIONS) == set(kernels.__all__) - NO_OPERATIONS


def test_the_kernels_of_this_machine_are_compiled(kind):
    assert load_kernels() or kind == "plain"


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_values_and_two_derivatives_equal_the_definition(name):
    for operation, graph, setting, arguments, where in cases(name):
        found = with_derivatives(bind(operation.call, graph, setting), arguments)
        assert_alike(found, with_derivatives(bind(operation.definition, graph, setting), arguments), where, **EXACT)


def test_mirrored_pairs_are_sorted_by_center_and_equal_their_definition():
    for operation, graph, setting, _, where in cases("mirror_pairs"):
        found = operation.call(graph, setting)
        assert torch.equal(found[0], found[0].sort().values)
        assert_alike(by_shift(found), by_shift(operation.definition(graph, setting)), where, rtol=0, atol=0)


def by_shift(mirrored):
    """In an order that does not depend on that of the pairs of one center, which nobody promises."""
    i, j, shifts, reverse, offsets = mirrored
    order = shifts[:, 0].argsort()
    return i[order], j[order], shifts[order], shifts[reverse][order], offsets


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_derivatives_equal_numerical_ones(name):
    operation, graph, setting, arguments = smallest(name)
    function, variables = bind(operation.call, graph, setting), [x.requires_grad_() for x in arguments]
    assert gradcheck(function, variables, fast_mode=True) and gradgradcheck(function, variables, fast_mode=True)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_float32_is_float64_rounded(name):
    for operation, graph, setting, arguments, where in cases(name):
        single = operation.call(graph.to(torch.float32), setting, *(x.float() for x in arguments))
        assert single.dtype == torch.float32
        expected = operation.definition(graph, setting, *(x.float().double() for x in arguments))
        scale = max(1.0, float(expected.detach().abs().max())) if expected.numel() else 1.0
        assert_alike([single.double() / scale], [expected.detach() / scale], where, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_arguments_that_are_not_contiguous_give_the_same(name):
    for operation, graph, setting, arguments, where in cases(name):
        apart = [torch.stack([x, torch.full_like(x, torch.nan)], -1)[..., 0] for x in arguments]
        turned = [x.permute(*range(x.dim())[::-1]).contiguous().permute(*range(x.dim())[::-1]) for x in arguments]
        expected = operation.call(graph, setting, *arguments)
        for strided in (apart, turned):
            assert_alike([operation.call(graph, setting, *strided)], [expected], where, **EXACT)


def flatten(graph):
    return [x for x in (graph.i, graph.j, graph.reverse, graph.offsets, *graph.elements) if x is not None]


def rebuild(tensors, one_sided):
    i, j, *rest = tensors
    reverse = None if one_sided else rest.pop(0)
    return Graph(i, j, reverse, rest[0], Elements(*rest[1:]))


def traced(name, one_sided):
    """Graph of value and two derivatives, and stand-ins to compile it for."""
    operation, graph, setting, arguments = smallest(name)
    graph = graph._replace(reverse=None) if one_sided else graph
    atoms, pairs = graph.sizes
    sizes = {atoms: "atoms", pairs: "pairs", len(graph.elements.slots): "blocks"}

    def evaluate(*tensors):
        given, rest = tensors[: len(arguments)], tensors[len(arguments) :]
        return with_derivatives(bind(operation.call, rebuild(rest, one_sided), setting), given)

    blocks = [("blocks", "rows"), ("blocks", "rows"), ("blocks",), ("atoms",)]
    names = [
        ("blocks", "rows", None) if name == "from_blocks" else (sizes[x.shape[0]], *(None,) * (x.dim() - 1))
        for x in arguments
    ]
    names += [("pairs",)] * (2 if one_sided else 3) + [("atoms+1",), ("atoms",), *blocks]
    return trace(evaluate, [*arguments, *flatten(graph)], names)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_one_traced_graph_serves_every_size(name, kind):
    operation = OPERATIONS[name]
    if kind == "plain" and not operation.traceable:
        pytest.skip("refused, see tests/kernels/test_triples.py")
    graphs = {one_sided: traced(name, one_sided)[0] for one_sided in {False, not operation.reverse}}
    for operation, graph, setting, arguments, where in cases(name):
        if setting == operation.settings[0]:
            found = graphs[graph.reverse is None](*arguments, *flatten(graph))
            assert_alike(found, with_derivatives(bind(operation.call, graph, setting), arguments), where, **EXACT)


@pytest.mark.compiled
def test_one_compiled_graph_serves_every_size(kind):
    if kind == "plain":
        pytest.skip("compiled once, as a representative")
    graph_of_all, fakes = traced("messages", one_sided=False)
    compiled = compile_graph(graph_of_all, fakes)
    for operation, graph, setting, arguments, where in cases("messages"):
        if setting == operation.settings[0] and graph.reverse is not None:
            found = compiled(*arguments, *flatten(graph))
            assert_alike(found, with_derivatives(bind(operation.call, graph, setting), arguments), where, **EXACT)
