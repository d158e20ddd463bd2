"""What a compiled model does where nothing can be compiled; ``tests/contracts`` tests that both give the same."""

import os
import subprocess
import sys

SCRIPT = """
import logging, warnings
import torch
from ase.build import molecule
from atnn import Structures
from atnn.model import Model, ModelPotential, ModelSpecification
logging.basicConfig(level=logging.INFO)
representation = {"name": "acsf", "cutoff": 4.0}
model = Model(ModelSpecification(elements=(1, 8), representation=representation))
water = Structures.from_ase(molecule("H2O"))
eager, compiled = ModelPotential(model), ModelPotential(model, compile=True)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for outputs in (("energy", "forces"), ("energy",), ("energy", "forces")):
        one, two = eager(water, outputs), compiled(water, outputs)
        assert all(torch.equal(one[name], two[name]) for name in outputs)
print(*(str(warning.message) for warning in caught if "eagerly" in str(warning.message)), sep="|")
"""


def test_without_a_compiler_a_compiled_model_warns_once_and_runs_eagerly(tmp_path):
    environment = os.environ | {"CXX": "/nonexistent", "PATH": str(tmp_path), "ATNN_KERNELS": "reference"}
    found = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    (warning,) = found.stdout.strip().split("|")
    assert "no C++ compiler found" in warning and "apt install g++" in warning and "slower" in warning
