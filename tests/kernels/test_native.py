"""The fused CPU kernels compute what the plain references do."""

import os
import subprocess
import sys

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from atnn.errors import AtnnWarning
from atnn.kernels import (
    build,
    contract_angular,
    contract_radial,
    cosine_squared,
    gather_centers,
    gather_neighbors,
    load_kernels,
    mirror_pairs,
    moments,
    sum_centers,
    sum_neighbors,
)
from atnn.kernels.envelope import reference
from atnn.kernels.moments import WIDTHS

# Atom 1 has no neighbors; pairs are sorted by center and every pair has its reverse.
OFFSETS = torch.tensor([0, 3, 3, 5, 8])
CENTERS = torch.tensor([0, 0, 0, 2, 2, 3, 3, 3])
NEIGHBORS = torch.tensor([2, 3, 3, 0, 3, 0, 0, 2])
REVERSE = torch.tensor([3, 5, 6, 0, 7, 1, 2, 4])


# Where the plain references are asked for, there is nothing to hold against them.
fused = pytest.mark.skipif(os.environ.get("ATNN_KERNELS") == "reference", reason="the fused kernels are switched off")


def random(*shape, dtype=torch.float64, seed=0):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@fused
def test_the_kernels_of_this_machine_are_compiled():
    assert load_kernels()


@pytest.mark.parametrize("width", [*WIDTHS, 6])
@pytest.mark.parametrize("channels", [1, 3, 8, 16, 21])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-13)])
def test_moments_and_contractions_equal_their_definition(width, channels, dtype, tolerance):
    angular, radial = random(8, width, dtype=dtype), random(8, channels, dtype=dtype, seed=1)
    nodes = random(4, width, channels, dtype=dtype, seed=2)
    expected = torch.zeros(4, width, channels, dtype=dtype).index_add(0, CENTERS, angular[:, :, None] * radial[:, None])
    torch.testing.assert_close(moments(angular, radial, CENTERS, OFFSETS), expected, rtol=tolerance, atol=tolerance)
    expected = torch.einsum("em,emk->ek", angular, nodes[CENTERS])
    torch.testing.assert_close(
        contract_angular(angular, nodes, CENTERS, OFFSETS), expected, rtol=10 * tolerance, atol=tolerance
    )
    expected = torch.einsum("ek,emk->em", radial, nodes[CENTERS])
    torch.testing.assert_close(
        contract_radial(radial, nodes, CENTERS, OFFSETS), expected, rtol=10 * tolerance, atol=10 * tolerance
    )


def test_inputs_that_are_not_contiguous_give_the_same():
    angular, radial = random(10, 8).T, random(5, 8, seed=1).T
    dense = moments(angular.contiguous(), radial.contiguous(), CENTERS, OFFSETS)
    torch.testing.assert_close(moments(angular, radial, CENTERS, OFFSETS), dense, rtol=0, atol=0)


def test_no_pairs_give_zeros():
    none, offsets = torch.zeros(0, dtype=torch.int64), torch.zeros(4, dtype=torch.int64)
    assert moments(random(0, 10), random(0, 8), none, offsets).abs().sum() == 0
    assert sum_centers(random(0, 5), none, offsets).abs().sum() == 0
    assert sum_neighbors(random(0, 5), none, none, offsets).shape == (3, 5)


def test_every_order_of_differentiation_is_right():
    angular, radial = random(8, 4).requires_grad_(), random(8, 3, seed=1).requires_grad_()
    atoms = random(4, 2, seed=2).requires_grad_()

    def form(a, b):
        return moments(a, b, CENTERS, OFFSETS)

    def gathers(x):
        return gather_neighbors(x, NEIGHBORS, REVERSE, OFFSETS) * gather_centers(x, CENTERS, OFFSETS) ** 2

    assert gradcheck(form, (angular, radial)) and gradgradcheck(form, (angular, radial))
    assert gradcheck(gathers, (atoms,)) and gradgradcheck(gathers, (atoms,))


def test_sums_over_pairs_equal_index_add():
    pairs = random(8, 5)
    torch.testing.assert_close(
        sum_centers(pairs, CENTERS, OFFSETS), torch.zeros(4, 5).double().index_add(0, CENTERS, pairs)
    )
    expected = torch.zeros(4, 5).double().index_add(0, NEIGHBORS, pairs)
    torch.testing.assert_close(sum_neighbors(pairs, NEIGHBORS, REVERSE, OFFSETS), expected)


@pytest.mark.parametrize("order", range(6))
def test_the_cutoff_and_its_derivatives_equal_the_reference(order):
    lengths = torch.linspace(0.01, 6.0, 61, dtype=torch.float64)
    torch.testing.assert_close(cosine_squared(lengths, 5.0, order), reference(lengths, 5.0, order))


def test_the_cutoff_is_the_published_one():
    lengths = torch.linspace(0.0, 4.99, 40, dtype=torch.float64)
    published = (0.5 * torch.cos(torch.pi * lengths / 5.0) + 0.5) ** 2
    torch.testing.assert_close(cosine_squared(lengths, 5.0), published)


def test_value_and_three_derivatives_of_the_cutoff_vanish_there():
    edge = torch.tensor([5.0 - 1e-6], dtype=torch.float64)
    assert all(float(cosine_squared(edge, 5.0, order).abs()) < 1e-5 for order in range(4))
    assert float(cosine_squared(edge, 5.0, 4)) > 0.1


def test_mirrored_pairs_are_sorted_and_point_at_each_other():
    half_i, half_j = torch.tensor([0, 0, 1, 2]), torch.tensor([1, 2, 2, 2])
    shifts = torch.tensor([[0, 0, 0], [1, 0, 0], [0, -1, 0], [0, 0, 1]], dtype=torch.int32)
    i, j, s, reverse, offsets = mirror_pairs(half_i, half_j, shifts, 4)
    assert torch.equal(i, i.sort().values) and torch.equal(offsets, torch.tensor([0, 2, 4, 8, 8]))
    assert torch.equal(i[reverse], j) and torch.equal(s[reverse], -s)


def test_without_a_compiler_a_warning_is_given(monkeypatch):
    for name in ("CXX", "ATNN_KERNELS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(build.shutil, "which", lambda name: None)
    with pytest.warns(AtnnWarning, match="no C\\+\\+ compiler"):
        assert not build.load_kernels.__wrapped__()


SCRIPT = """
import torch
from ase.build import molecule
from atnn import Structures
from atnn.model import Model, ModelSpecification
from atnn.neighbors import neighbor_pairs
spec = ModelSpecification(elements=(1, 6, 8), representation={"name": "reann", "channels": 3, "rounds": 1})
model = Model(spec).double()
s = Structures.from_ase(molecule("CH3CH2OH"))
print(repr(model(s, neighbor_pairs(s, model.cutoff), ("forces",))["forces"].flatten().tolist()))
"""


@fused
def test_a_model_gives_the_same_with_and_without_compiled_kernels():
    results = []
    for kind in ("native", "reference"):
        environment = os.environ | {"ATNN_KERNELS": kind}
        found = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
        )
        results.append(torch.tensor(eval(found.stdout), dtype=torch.float64))
    torch.testing.assert_close(results[0], results[1], rtol=1e-11, atol=1e-12)
