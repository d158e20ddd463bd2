"""A few hundred hostile inputs of every kind, and proof that the fuzzer sees what it should.

``python -m benchmarks.robustness.fuzz`` runs as many as one likes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}


def fuzz(folder, *options):
    command = [sys.executable, "-m", "benchmarks.robustness.fuzz", "--folder", str(folder), *map(str, options)]
    return subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)


def test_hostile_inputs_end_in_an_error_of_atnn_or_in_right_numbers(tmp_path):
    found = fuzz(tmp_path / "failures", "--cases", 260, "--seed", 1)
    assert found.returncode == 0, found.stdout + found.stderr
    assert not (tmp_path / "failures").exists()


def _defective(use, tmp_path):
    """Results of a kind whose use is defective on purpose; in a process of its own, which forks."""
    script = f"""
import json, os, pathlib, signal, sys, time
from fuzz import kinds, workers
workers.SECONDS = 1.0
kinds.KINDS["bad"] = kinds.Kind("sample", lambda rng: kinds.Damage("none", pathlib.Path("a").write_text("x") > 0), {use})
samples, scratch = pathlib.Path({str(tmp_path)!r}, "samples"), pathlib.Path({str(tmp_path)!r}, "scratch")
(samples / "sample").mkdir(parents=True), scratch.mkdir()
cases = [workers.Case("bad", 0, index) for index in range(2)]
print(json.dumps([result.outcome for _, result in workers.run_cases(cases, samples, scratch)]))
"""
    command = [sys.executable, "-c", script]
    return json.loads(subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize(
    ("damaged", "outcome"),
    [
        ("os.kill(os.getpid(), signal.SIGFPE)", "crash"),
        ("time.sleep(5)", "hang"),
        ("[0] * 10**10", "foreign"),
        ("{}['x']", "foreign"),
        ("7", "wrong"),
        ("0", "right"),
    ],
)
def test_the_fuzzer_sees(tmp_path, damaged, outcome):
    use = f"lambda: ({damaged}) if pathlib.Path('a').exists() else 0"
    assert _defective(use, tmp_path) == [outcome] * 2
