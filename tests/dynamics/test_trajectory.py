"""Trajectories survive being killed, are read lazily, and know their format."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase.units import fs as ase_fs

from atnn.archives import Archive
from atnn.dynamics import (
    Langevin,
    State,
    Trajectory,
    VelocityVerlet,
    export_trajectory,
    layout,
    maxwell_boltzmann,
    run,
    writer,
)
from atnn.errors import AtnnWarning, DataError
from atnn.quantities import QUANTITIES, Quantity
from atnn.structures import Structures
from atnn.units import Dimension
from dynamics.analytic import Morse, diatomics
from dynamics.killed_run import go
from systems import ethanol, methane

HERE = Path(__file__).parent


def small_run(folder: Path, steps: int = 25, chunk: int = 10):
    structures = Structures.from_ase([ethanol(), methane()])
    velocities = maxwell_boltzmann(structures, 100.0, torch.Generator().manual_seed(0))
    state = State.start(structures, velocities)
    return run(state, Morse(depth=0.2, length=2.0), VelocityVerlet(0.5), steps, trajectory=folder, chunk=chunk)


def killed_at(folder: Path, call: int) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE.parent), *sys.path])}
    command = [sys.executable, str(HERE / "killed_run.py"), str(folder), "100000"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        for line in process.stdout:
            if int(line) >= call:
                break
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.stdout.close()
        assert process.wait() == -signal.SIGKILL


@pytest.mark.parametrize("calls", [(5, 60), (137,)], ids=["twice", "once"])
def test_killed_run_resumes_bit_by_bit(tmp_path, calls):
    for call in calls:
        killed_at(tmp_path / "killed", call)
        Trajectory(tmp_path / "killed")  # opens in whatever state it was left
    (tmp_path / "killed" / ".chunk-000001.safetensors.x1.tmp").write_bytes(b"half a chu")
    done = len(Trajectory(tmp_path / "killed"))
    assert (calls[-1] - 11) / 2 - 8 < done  # the first calls look at the time step
    steps = 2 * done + 40
    killed, whole = go(tmp_path / "killed", steps, Morse()), go(tmp_path / "whole", steps, Morse())
    assert killed.steps < whole.steps or done == 0
    assert torch.equal(killed.state.structures.positions, whole.state.structures.positions)
    assert torch.equal(killed.state.velocities, whole.state.velocities)
    first, second = Trajectory(tmp_path / "killed"), Trajectory(tmp_path / "whole")
    assert first.header == second.header
    assert len(first) == len(second) == steps // 2 + 1
    for name in second.quantities:
        assert torch.equal(first.read(name), second.read(name))


def test_frames_read_back_as_they_were(tmp_path):
    report = small_run(tmp_path / "a")
    trajectory = Trajectory(tmp_path / "a")
    assert len(trajectory) == 26
    assert trajectory.chunk_lengths == [10, 10, 6]
    assert trajectory.quantities == ("dipole", "kinetic", "positions", "potential", "times", "velocities")
    assert torch.equal(trajectory.dipoles, report.series["dipole"])
    assert trajectory.read("velocities").shape == (26, 14, 3)
    assert torch.equal(trajectory.read("kinetic", 8, 23), report.series["kinetic"][8:23])
    last = trajectory.structures(-1)
    assert torch.equal(last.positions, report.state.structures.positions.float())
    assert torch.equal(last.numbers, report.state.structures.numbers)
    exact = trajectory.checkpoint(report.state, None)
    assert torch.equal(exact.structures.positions, report.state.structures.positions)


def test_reading_dipoles_loads_nothing_else(tmp_path, monkeypatch):
    small_run(tmp_path / "a")
    trajectory, asked = Trajectory(tmp_path / "a"), []

    real = Archive.rows

    def rows(self, name, start, stop):
        asked.append(name)
        return real(self, name, start, stop)

    monkeypatch.setattr(Archive, "rows", rows)
    monkeypatch.setattr(Archive, "tensors", None)
    trajectory.read("dipole")
    assert set(asked) == {"dipole"}


def test_another_potential_does_not_go_on(tmp_path):
    class Named(Morse):
        identity = "first"

    state = State.start(diatomics(2))
    run(state, Named(), VelocityVerlet(0.3), 4, trajectory=tmp_path / "a")
    other = Named()
    other.identity = "second"
    with pytest.raises(
        DataError, match=r"different potential\): the potential first made it, not the potential second"
    ):
        run(state, other, VelocityVerlet(0.3), 8, trajectory=tmp_path / "a")
    assert Trajectory(tmp_path / "a").potential == "first"


def test_flipped_bytes_are_noticed(tmp_path):
    """In every region of every file: an error of ours, or all that is read is as it was."""
    folder = tmp_path / "a"
    small_run(folder, steps=5, chunk=4)

    def content():
        trajectory = Trajectory(folder)
        values = [trajectory.read(name) for name in trajectory.quantities]
        return [*values, torch.as_tensor(next(trajectory.frames(0)).positions)], trajectory.ended

    before, _ = content()
    for file in sorted(folder.glob("*.*")):
        original = file.read_bytes()
        for place in range(0, len(original), max(1, len(original) // 40)):
            file.write_bytes(original[:place] + bytes([original[place] ^ 0x15]) + original[place + 1 :])
            try:
                after, _ = content()
            except DataError:
                continue
            assert all(map(torch.equal, before, after)), (file.name, place)
        file.write_bytes(original)
    assert all(map(torch.equal, before, content()[0]))


def test_export_is_read_by_ase(tmp_path):
    report = small_run(tmp_path / "a")
    count = export_trajectory(Trajectory(tmp_path / "a"), tmp_path / "out.xyz", structures=[1], every=4)
    frames = ase.io.read(tmp_path / "out.xyz", index=":")
    assert len(frames) == count == 7
    assert frames[0].symbols.formula == methane().symbols.formula
    assert [frame.info["time_fs"] for frame in frames] == [0, 2, 4, 6, 8, 10, 12]
    final = report.state.structures.select([1]).positions
    # frame 24 of 26 is one step before the last
    assert np.allclose(frames[-1].positions, Trajectory(tmp_path / "a").structures(24).select([1]).positions, atol=1e-6)
    assert not np.allclose(frames[-1].positions, final, atol=1e-6)
    velocities = Trajectory(tmp_path / "a").read("velocities")[24][9:]
    assert np.allclose(frames[-1].get_velocities() * ase_fs, velocities, atol=1e-6)
    assert frames[-1].get_potential_energy() == pytest.approx(float(report.series["potential"][24, 1]), abs=1e-6)


def test_every_output_of_the_potential_is_in_the_frames_of_ase(tmp_path):
    structures = Structures.from_ase([ethanol(), methane()])
    outputs = ("dipole", "charges", "forces")
    state = State.start(structures)
    report = run(state, Morse(), VelocityVerlet(0.5), 2, trajectory=tmp_path / "a", outputs=outputs)
    trajectory = Trajectory(tmp_path / "a")
    export_trajectory(trajectory, tmp_path / "a.xyz", structures=[1])
    read, last = ase.io.read(tmp_path / "a.xyz", index=-1), list(trajectory.frames(1))[-1]
    assert {name: trajectory.header["units"][name] for name in outputs} == {
        "dipole": "e*Angstrom",
        "charges": "e",
        "forces": "eV/Angstrom",
    }
    results = report.state.select([1]).results
    assert np.allclose(last.info["dipole"], results["dipole"][0])
    for name in ("forces", "charges"):
        assert np.allclose(last.arrays[name], results[name])
        assert np.allclose(read.calc.results[name], results[name], atol=1e-6)
    assert set(report.series) == {"times", "potential", "kinetic", "dipole"}


def test_row_of_ones_own_is_written_and_shown(tmp_path, monkeypatch):
    friction = Quantity("friction", "atom", (3, 3), Dimension(1, -2, 0, 1), False, 2, 1, symmetric=True)
    monkeypatch.setitem(QUANTITIES, "friction", friction)

    class WithFriction(Morse):
        outputs = Morse.outputs | {"friction"}

        def __call__(self, structures, outputs):
            tensors = structures.positions[:, :, None] * structures.positions[:, None, :]
            return super().__call__(structures, outputs) | {"friction": tensors}

    state = State.start(Structures.from_ase([ethanol(), methane()]))
    run(state, WithFriction(), VelocityVerlet(0.5), 2, trajectory=tmp_path / "a", outputs=["friction"])
    trajectory = Trajectory(tmp_path / "a")
    assert trajectory.read("friction", structures=[1]).shape == (3, 5, 3, 3)
    assert trajectory.header["units"]["friction"] == friction.unit
    frame = next(trajectory.frames(1))
    assert np.allclose(frame.arrays["friction"], frame.positions[:, :, None] * frame.positions[:, None, :])


def test_clocks_that_differ_are_kept(tmp_path):
    state = State.start(diatomics(2)).replace(time=torch.tensor([10.0, 3.0]).double(), step=torch.tensor([20, 6]))
    run(state, Morse(), VelocityVerlet(0.5), 2, trajectory=tmp_path / "a")
    trajectory = Trajectory(tmp_path / "a")
    assert trajectory.times.tolist() == [10.0, 10.5, 11.0]
    assert [frame.info["time_fs"] for frame in trajectory.frames(1)] == [3.0, 3.5, 4.0]


def test_trajectory_of_version_2_loads():
    """Three trajectories of tests/dynamics/files/version2.py, the second of which left after 5 steps."""
    trajectory = Trajectory(HERE / "files" / "version2.traj")
    assert trajectory.header["version"] == 2
    assert trajectory.chunk_lengths == [2, 2]
    assert trajectory.lengths.tolist() == [4, 3, 4] and trajectory.whole.tolist() == [True, False, True]
    assert trajectory.times.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert torch.isnan(trajectory.dipoles).any(2).tolist() == [[False] * 3] * 3 + [[False, True, False]]
    (entry,) = trajectory.ended
    assert (entry.number, entry.reason, entry.fault, entry.step, entry.time) == (1, "far", False, 5, 2.5)
    assert entry.where == "structure 1 (CO), 2.5 fs (step 5)"
    state = trajectory.checkpoint(State.start(diatomics(3)), torch.Generator())
    assert state.step.tolist() == [6, 6] and set(state.results) == {"energy", "forces", "dipole"}


def test_run_of_version_1_is_continued(tmp_path):
    folder = tmp_path / "a"
    shutil.copytree(HERE / "files" / "version1.traj", folder)
    state, generator = State.start(diatomics(2)), torch.Generator()
    changed_header(folder, start=layout.fingerprint(state))  # the velocities of that run are lost
    with pytest.warns(AtnnWarning, match="did not note the potential"):
        report = run(state, Morse(), Langevin(0.5, 300.0, 0.01), 4, trajectory=folder, generator=generator)
    assert report.steps == 0 and report.state.step.tolist() == [4, 4]
    assert torch.equal(report.series["dipole"], Trajectory(HERE / "files" / "version1.traj").dipoles)
    assert Trajectory(folder).header["version"] == layout.VERSION
    run(state, Morse(), Langevin(0.5, 300.0, 0.01), 4, trajectory=folder, generator=generator)  # warns once


def test_trajectory_of_version_1_still_loads():
    trajectory = Trajectory(HERE / "files" / "version1.traj")
    assert trajectory.header["version"] == 1
    assert len(trajectory) == 5
    assert trajectory.times.tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert trajectory.dipoles.shape == (5, 2, 3)
    start = diatomics(2)
    assert torch.equal(trajectory.structures(0).positions, start.positions.float())
    state = trajectory.checkpoint(State.start(start), torch.Generator())
    assert (state.step.tolist(), state.time.tolist()) == ([4, 4], [2.0, 2.0])
    assert set(state.results) == {"energy", "forces", "dipole"}


def changed_header(folder: Path, **changes) -> None:
    header = json.loads((folder / "header.json").read_text()) | changes
    (folder / "header.json").write_text(json.dumps(header))


def test_newer_version_is_refused(tmp_path):
    small_run(tmp_path / "a")
    changed_header(tmp_path / "a", version=layout.VERSION + 1)
    with pytest.raises(DataError, match=r"version 4 of the trajectory format[\s\S]*update atnn"):
        Trajectory(tmp_path / "a")


def test_folder_that_is_no_trajectory_is_refused(tmp_path):
    with pytest.raises(DataError, match="not a trajectory"):
        Trajectory(tmp_path)
    small_run(tmp_path / "a")
    changed_header(tmp_path / "a", format="other")
    with pytest.raises(DataError, match="is not of a trajectory"):
        Trajectory(tmp_path / "a")


def test_damaged_and_missing_chunks_are_named(tmp_path):
    small_run(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    (tmp_path / "a" / "chunk-000000.safetensors").unlink()
    with pytest.raises(DataError, match="a chunk is missing"):
        Trajectory(tmp_path / "a")
    chunk = tmp_path / "b" / "chunk-000001.safetensors"
    chunk.write_bytes(chunk.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"chunk-000001\.safetensors: truncated or corrupted"):
        Trajectory(tmp_path / "b")


def test_unknown_quantity_lists_those_there_are(tmp_path):
    small_run(tmp_path / "a", steps=1)
    with pytest.raises(DataError, match="it has: dipole, kinetic"):
        Trajectory(tmp_path / "a").read("charges")


def test_full_disk_leaves_a_trajectory_that_opens(tmp_path, monkeypatch):
    real = writer.write_atomically

    def full(path, content):
        if Path(path).name == "chunk-000001.safetensors":
            raise DataError("No space left on device", where=str(path))
        return real(path, content)

    monkeypatch.setattr(writer, "write_atomically", full)
    with pytest.raises(DataError, match="No space left"):
        small_run(tmp_path / "a")
    assert len(Trajectory(tmp_path / "a")) == 10
