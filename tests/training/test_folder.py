"""The output folder: whose it is, what survives a kill, which checkpoints are taken."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from atnn.data import Frames, load_split
from atnn.errors import DataError, InUseError, ModelFileError, SpecificationError
from atnn.locks import hold
from atnn.training import DataConfig, read_history, train
from atnn.training.checkpoint import VERSION, load_checkpoint, save_checkpoint
from training.runs import ENVIRONMENT, config, labelled, run

SCRIPT = Path(__file__).with_name("runs.py")
OLD = Path(__file__).with_name("checkpoint_version_1.safetensors")


def test_killed_while_a_checkpoint_is_put_in_place_the_one_before_is_whole(tmp_path):
    command = [sys.executable, str(SCRIPT), str(tmp_path / "killed"), "4"]
    killed = subprocess.run(command, env=ENVIRONMENT | {"KILL_AT": "6"})
    assert killed.returncode == -signal.SIGKILL
    torn = list((tmp_path / "killed").glob(".checkpoint.safetensors.*.tmp"))
    assert len(torn) == 1 and load_checkpoint(tmp_path / "killed" / "checkpoint.safetensors")[1]["state"]["step"] == 4
    run(tmp_path / "killed", epochs=4, dtype="float64")
    run(tmp_path / "whole", epochs=4, dtype="float64")
    assert not torn[0].exists()
    a, b = (load_file(tmp_path / name / "model.atnn") for name in ("killed", "whole"))
    assert all(torch.equal(a[name], b[name]) for name in a | b)


def test_a_failed_replacement_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    run(tmp_path, epochs=1)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()
    replace = os.replace

    def broken(source, target):
        if Path(target).name == "checkpoint.safetensors":
            raise OSError(5, "Input/output error")
        replace(source, target)

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(DataError, match=r"checkpoint.safetensors: cannot be written(.|\n)*the old file is intact"):
        run(tmp_path, epochs=2)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_checkpoint_of_version_1_is_read():
    tensors, header = load_checkpoint(OLD)
    assert header["version"] == 1 and header["state"]["step"] == 8 and len(header["state"]["history"]) == 2
    parameters = sum(name.startswith("model.") for name in tensors)
    assert {f"average.{i}" for i in range(parameters)} < set(tensors)
    assert {f"optimizer.{i}.{name}" for i in range(parameters) for name in ("step", "exp_avg", "exp_avg_sq")} < set(
        tensors
    )


def test_a_checkpoint_of_a_newer_version_is_refused(tmp_path):
    run(tmp_path, epochs=1)
    path = tmp_path / "checkpoint.safetensors"
    tensors, header = load_checkpoint(path)
    save_checkpoint(path, tensors, header | {"version": VERSION + 1})
    with pytest.raises(ModelFileError, match=r"version 3 of the format is newer than 2(.|\n)*update atnn"):
        run(tmp_path, epochs=2)


def test_another_safetensors_file_is_no_checkpoint(tmp_path):
    run(tmp_path, epochs=1)
    (tmp_path / "checkpoint.safetensors").write_bytes((tmp_path / "errors_validation.safetensors").read_bytes())
    with pytest.raises(ModelFileError, match="not a file of the kind atnn-checkpoint"):
        run(tmp_path, epochs=2)


@pytest.mark.parametrize("change", ["shape", "missing", "more"])
def test_a_checkpoint_of_a_model_of_another_shape_is_refused(tmp_path, change):
    run(tmp_path, epochs=1)
    path = tmp_path / "checkpoint.safetensors"
    tensors, header = load_checkpoint(path)
    if change == "missing":
        del tensors["average.1"]
    else:
        tensors["model.0" if change == "shape" else "model.99"] = torch.zeros(2)
    save_checkpoint(path, tensors, header)
    with pytest.raises(ModelFileError, match="model of another shape"):
        run(tmp_path, epochs=2)


def test_a_file_in_place_of_the_output_folder_is_said(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(DataError, match=r"output folder cannot be made(.|\n)*choose another"):
        run(tmp_path / "run", epochs=1)


def test_a_run_that_never_began_leaves_no_split_behind(tmp_path):
    with pytest.raises(SpecificationError):
        run(tmp_path, weights={"dipole": 1.0})
    changed = config(tmp_path, epochs=1).model_copy(update={"data": DataConfig(train="unused", validation=4, test=3)})
    result = train(changed, {"train": Frames(labelled())})
    sizes = {name: len(part) for name, part in load_split(tmp_path / "split.json", 24).items()}
    assert sizes == {"validation": 4, "test": 3, "train": 17}
    assert len(result.errors["test"]["energy"].predicted) == 3


def test_another_configuration_is_refused_with_the_keys_that_differ(tmp_path):
    run(tmp_path, epochs=1)
    with pytest.raises(SpecificationError) as caught:
        run(tmp_path, epochs=1, learning_rate=1e-3, weights={"energy": 0.5})
    message = str(caught.value)
    assert "another configuration: `training.learning_rate` was 0.004, and is now 0.001" in message
    assert "`training.weights.energy` was [0.01, 0.1], and is now 0.5" in message
    assert "`training.weights.forces` was 1.0, and is now null" in message and "batch_size" not in message
    run(tmp_path, epochs=2)  # more epochs are no other configuration


def test_a_run_that_was_begun_before_a_key_existed_goes_on(tmp_path):
    run(tmp_path, epochs=1)
    path = tmp_path / "config.json"
    stored = json.loads(path.read_text())
    del stored["start"], stored["model"]["activation"], stored["training"]["schedule"]
    path.write_text(json.dumps(stored))
    assert len(run(tmp_path, epochs=2).history) == 2
    path.write_text(json.dumps(stored | {"colour": "red"}))
    with pytest.raises(SpecificationError, match='`colour` was "red"'):
        run(tmp_path, epochs=2)


def test_more_epochs_go_on_from_the_end(tmp_path):
    run(tmp_path, epochs=2)
    assert [row["epoch"] for row in run(tmp_path, epochs=3).history] == [1.0, 2.0, 3.0]
    assert len(read_history(tmp_path)) == 3


def test_a_second_training_in_the_same_folder_is_refused(tmp_path):
    folder = tmp_path / "run"
    with hold(folder, "the output folder"), pytest.raises(InUseError, match=r"run: the output folder is in use"):
        run(folder, epochs=1)
    assert not (folder / "checkpoint.safetensors").exists()


def test_no_flipped_bit_in_a_checkpoint_is_resumed(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, {"model.0": torch.ones(50)}, {"state": {"step": 3}, "data": "x"})
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(ModelFileError, match="checkpoint"):
            load_checkpoint(path)


def test_a_checkpoint_whose_state_is_not_complete_is_refused(tmp_path):
    run(tmp_path, epochs=1)
    path = tmp_path / "checkpoint.safetensors"
    tensors, header = load_checkpoint(path)
    for state in ({}, {"history": [], "rate": {}, "unknown": 1}, header["state"] | {"more": 1}):
        save_checkpoint(path, tensors, {"state": state, "data": header["data"]})
        with pytest.raises(ModelFileError, match="the state of the run is not complete"):
            run(tmp_path, epochs=2)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda parts: parts.pop("validation"), "nothing for validation"),
        (lambda parts: parts["train"].clear(), "nothing for train"),
    ],
)
def test_a_split_without_a_part_of_the_run_is_an_error(tmp_path, damage, message):
    run(tmp_path, epochs=1)
    split = json.loads((tmp_path / "split.json").read_text())
    damage(split["parts"])
    (tmp_path / "split.json").write_text(json.dumps(split))
    with pytest.raises(DataError, match=message):
        run(tmp_path, epochs=2)


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": 1.5},
        {"position": -1},
        {"terms": None},
        {"terms": [1.0]},
        {"rate": {}},
        {"history": 3.0},
        {"history": [{"epoch": 1}, {}]},
        {"surprise": 1},
    ],
    ids=str,
)
def test_a_checkpoint_whose_state_makes_no_sense_is_an_error(tmp_path, change):
    """Written by a program that does not know the format; its hashes are right."""
    run(tmp_path, epochs=1)
    path = tmp_path / "checkpoint.safetensors"
    tensors, header = load_checkpoint(path)
    save_checkpoint(path, tensors, {"data": header["data"], "state": header["state"] | change})
    with pytest.raises(ModelFileError, match="state of the run is not complete"):
        run(tmp_path, epochs=2)
