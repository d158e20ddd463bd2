"""How the fused CPU kernels are built and chosen; ``tests/contracts/test_kernel.py`` tests what each computes."""

import os
import subprocess
import sys

import pytest
import torch

from atnn.errors import AtnnWarning
from atnn.kernels import build, cosine_squared

# Where the plain references are asked for, there is nothing to hold against them.
fused = pytest.mark.skipif(os.environ.get("ATNN_KERNELS") == "reference", reason="the fused kernels are switched off")


def test_value_and_three_derivatives_of_the_cutoff_vanish_there():
    edge = torch.tensor([5.0 - 1e-6], dtype=torch.float64)
    assert all(float(cosine_squared(edge, 5.0, order).abs()) < 1e-5 for order in range(4))
    assert float(cosine_squared(edge, 5.0, 4)) > 0.1


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
