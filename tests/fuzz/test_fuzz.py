"""A few hundred hostile inputs of every kind, and proof that the fuzzer sees what it should.

``python -m benchmarks.robustness.fuzz`` runs as many as one likes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}


def fuzz(folder, *options):
    command = [sys.executable, "-m", "benchmarks.robustness.fuzz", "--folder", str(folder), *map(str, options)]
    return subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)


def test_hostile_inputs_end_in_an_error_of_atnn_or_in_right_numbers(tmp_path):
    found = fuzz(tmp_path / "failures", "--cases", 260, "--seed", 1)
    assert found.returncode == 0, found.stdout + found.stderr
    assert not (tmp_path / "failures").exists()


def test_the_fuzzer_sees_deaths_hangs_foreign_errors_and_wrong_numbers(tmp_path):
    """Uses that are defective on purpose, in a process that forks."""
    script = f"""
import json, os, signal, time
from pathlib import Path
from fuzz import kinds, workers

def die(): os.kill(os.getpid(), signal.SIGFPE)
def damage(rng): return kinds.Damage("none", Path("a").write_text("x") > 0)
defects = {{"crash": die, "hang": lambda: time.sleep(9), "foreign": lambda: [0] * 10**10, "wrong": lambda: 7}}
workers.SECONDS, root = 1.0, Path({str(tmp_path)!r})
(root / "samples" / "s").mkdir(parents=True), (root / "scratch").mkdir()
for name, defect in {{**defects, "right": lambda: 0}}.items():
    kinds.KINDS[name] = kinds.Kind("s", damage, lambda defect=defect: defect() if Path("a").exists() else 0)
cases = [workers.Case(name, 0, index) for name in [*defects, "right"] for index in range(2)]
found = [(case.kind, result.outcome) for case, result in workers.run_cases(cases, root / "samples", root / "scratch")]
print(json.dumps(found))
"""
    command = [sys.executable, "-c", script]
    found = json.loads(subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True).stdout)
    assert len(found) == 10 and all(kind == outcome for kind, outcome in found)


def test_whole_command_lines_and_values_are_right():
    """Otherwise the fuzzer would only ask how errors sound."""
    script = """
import os, tempfile
from pathlib import Path
from fuzz import commands, samples, values
folder = Path(tempfile.mkdtemp())
samples.write_samples(folder)
os.chdir(folder / "training")
for line in commands.LINES:
    Path("value.json").write_text(__import__("json").dumps(line.split()))
    try:
        commands.use()
    except commands.LabellingError as error:
        assert line.startswith("demo") and error.what == commands.BEGUN
"""
    subprocess.run([sys.executable, "-c", script], env=ENVIRONMENT, check=True, capture_output=True)
