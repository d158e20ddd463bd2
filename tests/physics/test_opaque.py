"""Functions as single operations: values, two derivatives, and as a part of a traced graph."""

import pytest
import torch

from atnn.model.tracing import trace
from atnn.physics.opaque import FUNCTIONS, call_opaque


def sums_of_powers(variables, constants, settings):
    """Its loop depends on values, so that no graph can hold it."""
    x, y = variables
    total = x.new_zeros(len(constants[0]), dtype=torch.float64)
    for power in range(1, 1 + int(x.detach().abs().max() + settings[0])):
        total = total + (x**power * y.sum()).double().sum() * constants[0]
    return total


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(FUNCTIONS, "powers", sums_of_powers)


ROWS = torch.tensor([1.0, 2.0, -1.0], dtype=torch.float64)


def test_value_and_two_derivatives():
    x = torch.tensor([0.3, 1.2], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0.5, -0.2, 0.4], dtype=torch.float64, requires_grad=True)

    def value(x, y):
        return call_opaque("powers", (x, y), (ROWS,), (2.0,))

    assert torch.allclose(value(x, y), sums_of_powers((x, y), (ROWS,), (2.0,)))
    assert torch.autograd.gradcheck(value, (x, y))
    assert torch.autograd.gradgradcheck(value, (x, y))


def test_a_traced_graph_calls_it_anew_for_other_values():
    def slope(x):
        x = x.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(call_opaque("powers", (x, x), (ROWS,), (0.0,)).sum(), x)
        return [gradient]

    graph, _ = trace(slope, [torch.tensor([0.3, 1.2], dtype=torch.float64)], [("n",)])
    other = torch.tensor([3.1, 0.2, 0.5], dtype=torch.float64)
    assert torch.allclose(graph(other)[0], slope(other)[0])


def test_a_variable_that_does_not_matter_has_a_derivative_of_zero():
    x, y = (torch.tensor([value], dtype=torch.float64, requires_grad=True) for value in (0.4, 1.0))
    (gradient,) = torch.autograd.grad(call_opaque("powers", (x, y), (ROWS,), (0.0,)).sum(), y)
    assert gradient.tolist() == [0.0]
