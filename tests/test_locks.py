"""A lock names its holder, and no lock outlives its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from atnn.errors import DataError, InUseError
from atnn.locks import hold

HOLDER = """
import sys, time
from atnn.locks import hold

with hold(sys.argv[1], "store"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_holder_is_refused_and_told_who_the_first_is_until_that_is_killed(tmp_path):
    path = tmp_path / "store"
    with subprocess.Popen([sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        with (
            pytest.raises(InUseError, match=f"store is in use by process {process.pid} on .* since 2"),
            hold(path, "store"),
        ):
            pass
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with hold(path, "store"):
        pass


def test_a_lock_is_free_after_its_block_and_after_an_error(tmp_path):
    for _ in range(2):
        with pytest.raises(RuntimeError), hold(tmp_path / "a", "a"):
            raise RuntimeError
    with hold(tmp_path / "a", "a"), pytest.raises(InUseError), hold(tmp_path / "a", "a"):
        pass


def test_a_lock_in_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(DataError, match="cannot be written"), hold(tmp_path / "no" / "a", "a"):
        pass


def test_the_current_folder_can_be_held(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with hold(".", "the folder"), pytest.raises(InUseError, match=tmp_path.name), hold(tmp_path, "the folder"):
        pass
