from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms

from atnn.errors import AtnnWarning, InUseError
from atnn.labelling import LabellerPotential, label, worker
from atnn.locks import hold
from atnn.structures import Structures
from labelling.doubles import Springs
from systems import ethanol


def _molecules(count: int, symbol: str = "H", seed: int = 0) -> list[Atoms]:
    rng = np.random.default_rng(seed)
    return [Atoms([symbol, "H"], positions=rng.normal(size=(2, 3))) for _ in range(count)]


def _calculations(log: str) -> list[str]:
    return Path(log).read_text().splitlines() if Path(log).exists() else []


def test_labels_keep_their_order_and_are_computed_once(tmp_path):
    log = str(tmp_path / "log")
    structures = Structures.from_ase([*_molecules(6), *_molecules(2)])  # the last two repeat the first two
    first = label(structures, Springs(log), tmp_path / "labels.db", workers=2)
    assert first.computed == len(_calculations(log)) == 6 and not first.failures
    again = label(structures, Springs(log), tmp_path / "labels.db", workers=0)
    assert again.computed == 0 and len(_calculations(log)) == 6
    vectors = structures.positions[0::2] - structures.positions[1::2]
    for result in (first, again):
        torch.testing.assert_close(result.labelled.labels["energy"], 0.5 * (vectors**2).sum(1))
        torch.testing.assert_close(result.labelled.labels["forces"][0::2], -vectors)


def test_a_labeller_as_a_potential_starts_its_processes_once(tmp_path, monkeypatch):
    started = []

    class Counted(worker.Worker):
        def __init__(self):
            super().__init__()
            started.append(self)

    monkeypatch.setattr(worker, "Worker", Counted)
    potential = LabellerPotential(Springs(str(tmp_path / "log")), tmp_path / "labels.db", ("energy", "forces"), 1)
    for seed in range(3):
        potential(Structures.from_ase(_molecules(2, seed=seed)), ("energy",))
    calculations = _calculations(potential.labeller.log)
    assert len(calculations) == 6 and len(started) == 1
    assert {int(line.split()[0]) for line in calculations} <= {one._process.pid for one in started}
    processes = [one._process for one in started]
    del potential
    assert all(process.poll() is not None for process in processes), "workers outlive their potential"


def test_workers_use_one_thread(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    log = str(tmp_path / "log")
    label(Structures.from_ase(_molecules(2)), Springs(log), tmp_path / "labels.db", workers=1)
    assert all(line.split()[1] == "1" for line in _calculations(log))
    assert "OMP_NUM_THREADS" not in os.environ


def test_other_charge_or_settings_are_other_calculations(tmp_path):
    log = str(tmp_path / "log")
    atoms = _molecules(1)[0]
    label(Structures.from_ase(atoms), Springs(log), tmp_path / "labels.db", workers=0)
    atoms.info["charge"] = 1
    assert label(Structures.from_ase(atoms), Springs(log), tmp_path / "labels.db", workers=0).computed == 1


def test_what_fails_or_crashes_is_listed_and_the_rest_is_labelled(tmp_path):
    log = str(tmp_path / "log")
    good = _molecules(3)
    bad = [*_molecules(1, "F"), *_molecules(1, "Ne"), *_molecules(1, "Ar"), *_molecules(1, "Kr")]
    structures = Structures.from_ase([good[0], *bad, *good[1:]])
    result = label(structures, Springs(log), tmp_path / "labels.db", workers=2)
    assert result.indices.tolist() == [0, 3, 5, 6]  # argon kills its process only the first time
    reasons = {failure.structure: failure.reason for failure in result.failures}
    assert set(reasons) == {1, 2, 4}
    assert "died" in reasons[1] and "converge" in reasons[2] and "a defect" in reasons[4]
    computed = len(_calculations(log))
    again = label(structures.select([0, 2, 5]), Springs(log), tmp_path / "labels.db", workers=0)
    assert [failure.structure for failure in again.failures] == [1] and len(_calculations(log)) == computed


def test_killed_labelling_resumes_without_repeating_and_gives_the_same_labels(tmp_path):
    log, path = str(tmp_path / "log"), tmp_path / "labels.db"
    script = tmp_path / "run.py"
    script.write_text(
        "import sys, torch\n"
        f"sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
        "from ase import Atoms\nimport numpy as np\n"
        "from labelling.doubles import Springs\nfrom atnn.labelling import label\n"
        "from atnn.structures import Structures\n"
        "if __name__ == '__main__':\n"
        "    rng = np.random.default_rng(0)\n"
        "    frames = [Atoms('HH', positions=rng.normal(size=(2, 3))) for _ in range(30)]\n"
        f"    label(Structures.from_ase(frames), Springs({log!r}, 0.1), {str(path)!r}, workers=2)\n"
    )
    process = subprocess.Popen([sys.executable, str(script)])
    deadline = time.monotonic() + 60
    while len(_calculations(log)) < 6 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    workers = {int(line.split()[0]) for line in _calculations(log)}
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}/cmdline").exists() for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers), "workers outlive their parent"
    before = len(_calculations(log))
    assert 6 <= before < 30

    structures = Structures.from_ase(_molecules(30))
    resumed = label(structures, Springs(log), path, workers=0)
    # at most what the two workers had finished but not yet handed over is calculated again
    assert 30 - before <= resumed.computed <= 30 - before + 4
    fresh = label(structures, Springs(log), tmp_path / "fresh.db", workers=0)
    for name in ("energy", "forces"):
        assert torch.equal(resumed.labelled.labels[name], fresh.labelled.labels[name])


def test_a_script_needs_no_main_guard(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
        "from ase import Atoms\nfrom labelling.doubles import Springs\n"
        "from atnn.labelling import label\nfrom atnn.structures import Structures\n"
        f"label(Structures.from_ase(Atoms('He')), Springs({str(tmp_path / 'log')!r}), {str(tmp_path / 'l.db')!r})\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert len(_calculations(str(tmp_path / "log"))) == 1


@pytest.mark.parametrize("workers", [0, 2])
def test_nothing_labelled_is_an_empty_result(tmp_path, workers):
    result = label(Structures.from_ase(_molecules(1, "Ne")), Springs(str(tmp_path / "log")), tmp_path / "l.db", workers)
    assert result.labelled is None and len(result.failures) == 1


def test_a_damaged_calculation_is_computed_again_and_said(tmp_path):
    structures = Structures.from_ase([ethanol()])
    labeller = Springs(str(tmp_path / "log"))
    before = label(structures, labeller, tmp_path / "labels.db", 0)
    database = sqlite3.connect(tmp_path / "labels.db")
    database.execute("UPDATE labels SET value=x'000000000000F03F' WHERE quantity='energy'")
    database.commit()
    database.close()
    with pytest.warns(AtnnWarning, match=r"labels\.db: 1 calculations are not what was written"):
        after = label(structures, labeller, tmp_path / "labels.db", 0)
    assert after.computed == 1 and torch.equal(after.labelled.labels["energy"], before.labelled.labels["energy"])


def test_a_store_in_use_is_refused_with_its_holder(tmp_path):
    structures, path = Structures.from_ase([ethanol()]), tmp_path / "labels.db"
    with hold(path, "the store"), pytest.raises(InUseError, match=f"in use by process {os.getpid()}"):
        label(structures, Springs(str(tmp_path / "log")), path, 0)
