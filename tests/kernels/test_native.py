"""How the fused CPU kernels are built and chosen; ``tests/contracts/test_kernel.py`` tests what each computes."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from atnn.errors import AtnnWarning
from atnn.kernels import build, cosine_squared, loading, prebuilt

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
    monkeypatch.setattr(loading, "find_prebuilt", lambda: None)
    with pytest.warns(AtnnWarning, match="no C\\+\\+ compiler(?s:.*)apt install"):
        assert not loading.load_kernels.__wrapped__()


def test_kernels_of_the_wheel_that_do_not_load_give_way_to_built_ones(monkeypatch, tmp_path):
    broken = tmp_path / "kernels.so"
    broken.write_bytes(b"no library")
    monkeypatch.setattr(loading, "find_prebuilt", lambda: broken)
    assert not loading._load_prebuilt()


def test_kernels_of_the_wheel_are_taken_for_one_processor_release_and_source_only(monkeypatch, tmp_path):
    monkeypatch.setattr(prebuilt, "FOLDER", tmp_path)
    for capability in prebuilt.ARCHITECTURES:
        prebuilt.name_library(capability).touch()
    names = {path.name for path in tmp_path.iterdir()}
    assert len(names) == 3 and prebuilt.find_prebuilt().name in names
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert "-avx2-" in prebuilt.find_prebuilt().name
    with monkeypatch.context() as other:
        other.setattr(torch, "__version__", "2.9.0+cpu")
        assert prebuilt.find_prebuilt() is None
    with monkeypatch.context() as other:
        other.setattr(build, "SOURCES", build.SOURCES[1:])
        assert prebuilt.find_prebuilt() is None
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "SVE256")
    assert prebuilt.find_prebuilt() is None


COMPILER = """#!/bin/sh
if [ "$1" = --version ]; then echo "a compiler 1.0"; exit; fi
sleep 0.2
for argument; do output=$argument; done
echo "$output" >> "{log}"
echo code > "$output"
"""


def test_processes_that_start_together_build_the_kernels_once(monkeypatch, tmp_path, caplog):
    compiler, log = tmp_path / "compiler", tmp_path / "log"
    compiler.write_text(COMPILER.format(log=log))
    compiler.chmod(0o755)
    monkeypatch.setenv("ATNN_CACHE", str(tmp_path / "cache"))
    with (
        caplog.at_level("INFO", logger="atnn"),
        ThreadPoolExecutor(3) as pool,
    ):  # locks part threads as they part processes
        found = set(pool.map(build.find_or_build, [[str(compiler)]] * 3))
    assert len(found) == 1 and len(log.read_text().splitlines()) == len(build.SOURCES) + 1
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {*(p.name for p in found), ".kernels.lock"}
    assert "building the kernels" in caplog.text and "built the kernels in" in caplog.text


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
