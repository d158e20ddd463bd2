"""The loop: learns, resumes after a kill to the same weights, stops clearly on bad input."""

import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from atnn.data import Frames, load_split, write_extxyz
from atnn.errors import AtnnWarning, DataError, ModelFileError, SpecificationError
from atnn.model import load_model
from atnn.training import (
    DataConfig,
    ModelConfig,
    RunConfig,
    TrainingConfig,
    TrainingDiverged,
    commented_example,
    evaluate,
    load_config,
    load_errors,
    loop,
    read_history,
    train,
)
from atnn.training.plan import Plan
from training.runs import ENVIRONMENT, TINY, config, crystals_and_molecules, labelled, run

FOUR = Frames(labelled(4))
SCRIPT = Path(__file__).with_name("runs.py")


def weights(folder):
    return load_file(Path(folder) / "model.atnn")


def same_weights(a, b):
    return all(torch.equal(x, y) for x, y in zip(weights(a).values(), weights(b).values(), strict=True))


def without_time(history):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]


def test_training_learns_and_keeps_everything(tmp_path):
    result = run(tmp_path, outputs=("energy", "dipole"), epochs=25, weights={"energy": 0.1, "forces": 1, "dipole": 1})
    first, last = result.history[0], result.history[-1]
    assert last["validation_forces"] < 0.5 * first["validation_forces"]
    assert last["validation_dipole"] < 0.5 * first["validation_dipole"]
    assert result.finished and len(result.history) == 25
    errors = load_errors(tmp_path / "errors_validation.safetensors")
    difference = errors["forces"].predicted - errors["forces"].reference
    assert errors["forces"].rmse == pytest.approx(np.sqrt((difference**2).mean()))
    assert errors["forces"].rmse == pytest.approx(min(r["validation_forces"] for r in result.history), rel=0.2)
    kept = load_model(tmp_path / "model.atnn").provenance
    assert kept["seed"] == 5 and kept["structures"] == 18 and len(kept["data_hash"]) >= 16
    assert "O-H" in kept["ranges"]["shortest_distances"] or "H-O" in kept["ranges"]["shortest_distances"]
    assert read_history(tmp_path) == result.history
    assert any((tmp_path / "tensorboard").iterdir())


def test_the_same_seed_gives_the_same_weights_and_another_does_not(tmp_path):
    for name in ("a", "b"):
        run(tmp_path / name, epochs=2)
    assert same_weights(tmp_path / "a", tmp_path / "b")
    other = config(tmp_path / "c", epochs=2).model_copy(update={"seed": 6})
    train(other, {"train": Frames(labelled())})
    assert not same_weights(tmp_path / "a", tmp_path / "c")


def test_a_run_stopped_by_the_clock_goes_on_to_the_same_weights(tmp_path):
    run(tmp_path / "whole", epochs=4)
    assert not run(tmp_path / "parts", epochs=4, max_minutes=1e-6).finished
    while not run(tmp_path / "parts", epochs=4, max_minutes=3e-4).finished:
        pass
    assert same_weights(tmp_path / "whole", tmp_path / "parts")
    assert without_time(read_history(tmp_path / "whole")) == without_time(read_history(tmp_path / "parts"))


def kill_after(process, checkpoint, count, fraction):
    """Kill a training after so many more checkpoints and a fraction of the time between two of them."""
    written, times = modified(checkpoint), []
    while len(times) < count:
        assert process.poll() is None, "the training ended before it could be killed"
        if modified(checkpoint) != written:
            written = modified(checkpoint)
            times.append(time.monotonic())
        time.sleep(0.001)
    time.sleep(fraction * (times[-1] - times[-2]))
    process.kill()
    assert process.wait() == -signal.SIGKILL


def modified(path):
    return path.stat().st_mtime_ns if path.exists() else 0


def test_killed_at_any_moment_it_resumes_to_the_same_weights(tmp_path):
    command = [sys.executable, str(SCRIPT), str(tmp_path / "killed"), "20"]
    generator = random.Random(3)
    for _ in range(3):
        process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
        count = generator.randint(2, 8)  # of checkpoints, not seconds: machines and the load on them differ
        kill_after(process, tmp_path / "killed" / "checkpoint.safetensors", count, generator.random())
    resumed, undisturbed = (run(tmp_path / name, epochs=20, dtype="float64") for name in ("killed", "undisturbed"))
    assert same_weights(tmp_path / "undisturbed", tmp_path / "killed")
    assert without_time(undisturbed.history) == without_time(resumed.history)


def test_two_processes_take_the_same_steps_as_one(tmp_path):
    settings = {"epochs": 3, "dtype": "float64", "batch_atoms": 12}
    sizes = {len(part) for part in Plan(TrainingConfig(**settings), Frames(labelled(18)), seed=5)(0)}
    assert 1 in sizes and 3 in sizes  # a batch of which one process has nothing, and unequal shares
    run(tmp_path / "one", **settings)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(SCRIPT)]
    subprocess.run([*launch, str(tmp_path / "two"), "3", "12"], env=ENVIRONMENT, check=True, capture_output=True)
    for name, value in weights(tmp_path / "one").items():
        torch.testing.assert_close(weights(tmp_path / "two")[name], value, rtol=1e-7, atol=1e-9, msg=name)
    for a, b in zip(read_history(tmp_path / "one"), read_history(tmp_path / "two"), strict=True):
        assert a["train_forces"] == pytest.approx(b["train_forces"], rel=1e-9)


def test_a_full_disk_leaves_the_last_checkpoint_intact(tmp_path):
    run(tmp_path, epochs=1)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
    try:
        with pytest.raises(DataError, match=r"cannot be written(.|\n)*free space"):
            run(tmp_path, epochs=3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before
    assert run(tmp_path, epochs=3).finished


@pytest.mark.parametrize("kept", [0, 100, -10])
def test_a_corrupted_checkpoint_is_refused(tmp_path, kept):
    run(tmp_path, epochs=1)
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ModelFileError, match=r"checkpoint\.safetensors: truncated or corrupted"):
        run(tmp_path, epochs=2)


def test_a_folder_of_another_run_is_refused(tmp_path):
    run(tmp_path, epochs=1)
    with pytest.raises(SpecificationError, match="another configuration"):
        run(tmp_path, epochs=1, learning_rate=1e-3)


def test_a_folder_begun_with_other_data_is_refused(tmp_path):
    run(tmp_path, epochs=1)
    with pytest.raises(SpecificationError, match="other training data"):
        run(tmp_path, epochs=2, data=labelled(seed=1))


@pytest.mark.parametrize("name", ["validation", "test", "isolated", "split"])
def test_a_run_begun_with_other_data_that_are_not_trained_on_is_refused(tmp_path, name):
    files = {part: tmp_path / f"{part}.xyz" for part in ("train", "validation", "test", "isolated")}
    for seed, part in enumerate(("train", "validation", "test")):
        write_extxyz(files[part], labelled(8, seed=seed))
    lines = [f'1\nProperties=species:S:1:pos:R:3 energy={k} pbc="F F F"\n{z} 0 0 0\n' for k, z in enumerate("HCO")]
    files["isolated"].write_text("".join(lines))
    data = DataConfig(**{part: str(path) for part, path in files.items()})
    if name == "split":  # its validation data are in the file with the training data
        data = data.model_copy(update={"validation": 2, "test": None})
    begun = config(tmp_path / "run", epochs=1).model_copy(update={"data": data})
    more = begun.model_copy(update={"training": begun.training.model_copy(update={"epochs": 2})})
    train(begun)
    changed = files["train" if name == "split" else name]
    before = changed.read_text()
    if name == "split":
        held_out = load_split(tmp_path / "run" / "split.json")["validation"][0]
        other = labelled(8)
        other.labels["energy"][held_out] += 1.0
        write_extxyz(changed, other)
    elif name == "isolated":
        changed.write_text(before.replace("energy=1", "energy=1.5"))
    else:
        write_extxyz(changed, labelled(8, seed=7))
    word = {"split": "validation data", "isolated": "isolated atoms"}.get(name, f"{name} data")
    with pytest.raises(SpecificationError, match=rf"data\.{changed.stem} .*{changed.name}.*begun with other {word}\n"):
        train(more)
    changed.write_text(before)
    assert train(more).history[-1]["epoch"] == 2


def test_stress_of_crystals_is_learned_beside_molecules_that_have_none(tmp_path):
    weights = {"energy": 0.1, "forces": 1.0, "stress": 1.0}
    data = {"train": Frames(crystals_and_molecules()), "validation": Frames(crystals_and_molecules(4, seed=1))}
    first, *_, last = train(config(tmp_path, epochs=30, batch_size=4, weights=weights), data).history
    assert last["validation_stress"] < 0.5 * first["validation_stress"]
    assert last["validation_forces"] < 0.9 * first["validation_forces"]


def test_a_representation_that_is_limited_to_the_elements_of_the_data_is_trained(tmp_path):
    copper = Frames(crystals_and_molecules())[range(1, 8, 2)]
    gmp = {"name": "gmp", "cutoff": 4.0, "sigmas": 2, "degree": 1, "densities": {"Cu": [[1.0, 2.0]]}}
    model = ModelConfig(representation=gmp, hidden=(8,))
    settings = config(tmp_path, epochs=1).model_copy(update={"model": model})
    data = {"train": Frames(copper), "validation": Frames(copper)}
    assert train(settings, data).model.elements == (29,)


def test_a_stress_of_a_molecule_is_refused(tmp_path):
    data = crystals_and_molecules()
    data.masks["stress"][:] = True
    with pytest.raises(DataError, match=r"4 structures have a stress but no cell"):
        train(config(tmp_path, weights={"stress": 1.0}), {"train": Frames(data), "validation": Frames(data)})


def test_validation_data_without_labels_are_refused_before_training(tmp_path):
    bare = labelled(3)._replace(labels={}, masks={})
    with pytest.raises(DataError, match="no validation structure has any of the labels energy, forces"):
        train(config(tmp_path), {"train": Frames(labelled()), "validation": Frames(bare)})
    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_a_quantity_that_is_not_validated_is_said_and_shows_no_error_of_zero(tmp_path):
    part = labelled(3)
    part = part._replace(labels={"forces": part.labels["forces"]}, masks={"forces": part.masks["forces"]})
    with pytest.warns(AtnnWarning, match="no validation structure has the label energy"):
        result = train(config(tmp_path, epochs=2), {"train": Frames(labelled()), "validation": Frames(part)})
    assert all(np.isnan(row["validation_energy_per_atom"]) for row in result.history)
    assert all(np.isfinite(row["metric"]) for row in result.history)


def test_a_validation_that_is_not_finite_does_not_keep_later_models_from_being_kept(tmp_path, monkeypatch):
    original, calls = loop.validation_errors, []

    def once_broken(*arguments):
        calls.append(arguments)
        scaled, rmse = original(*arguments)
        return (scaled * float("nan"), rmse) if len(calls) == 1 else (scaled, rmse)

    monkeypatch.setattr(loop, "validation_errors", once_broken)
    result = run(tmp_path, epochs=10)
    best = min(row["validation_forces"] for row in result.history)
    assert result.errors["validation"]["forces"].rmse == pytest.approx(best, rel=0.2)


def test_a_loss_that_is_not_finite_ends_with_the_remedy(tmp_path, monkeypatch):
    from atnn.training.step import Step

    original = Step.__call__

    def poisoned(self, batch, factors):
        result = original(self, batch, factors)
        return result._replace(gradients=tuple(g * float("nan") for g in result.gradients))

    monkeypatch.setattr(Step, "__call__", poisoned)
    with pytest.raises(TrainingDiverged, match=r"10 steps in a row(.|\n)*learning_rate"):
        run(tmp_path, epochs=5)


def test_a_single_gradient_that_is_not_finite_is_skipped_and_said(tmp_path, monkeypatch, caplog):
    from atnn.training.step import Step

    original, calls = Step.__call__, []

    def poisoned(self, batch, factors):
        calls.append(batch)
        result = original(self, batch, factors)
        bad = float("nan") if len(calls) in (2, 3, 6) else 1.0
        return result._replace(gradients=tuple(g * bad for g in result.gradients), squares=result.squares * bad)

    monkeypatch.setattr(Step, "__call__", poisoned)
    result = run(tmp_path, epochs=3)
    assert result.finished and all(torch.isfinite(p).all() for p in result.model.parameters())
    assert [r.message for r in caplog.records if "skipped" in r.message] == [
        f"step {step} skipped: the gradient is not finite" for step in (1, 2, 5)
    ]
    assert all(np.isfinite(list(row.values())).all() for row in result.history)


def test_the_metric_of_equal_weights_is_equal_while_loss_weights_change(tmp_path):
    still = {"learning_rate": 1e-30, "final_learning_rate": 1e-30, "dtype": "float64"}
    history = run(tmp_path, epochs=4, weights={"energy": (1e-3, 10.0), "forces": (10.0, 0.1)}, **still).history
    assert [row["metric"] for row in history] == pytest.approx([history[0]["metric"]] * 4, rel=1e-12)


def test_early_stopping_ends_a_run_that_makes_no_progress(tmp_path):
    result = run(tmp_path, epochs=50, learning_rate=1e-9, final_learning_rate=1e-9, ema=0.0, early_stopping=3)
    assert len(result.history) < 50


@given(st.integers(1, 40), st.integers(1, 12), st.one_of(st.none(), st.integers(1, 60)))
def test_every_structure_is_used_once_per_epoch(count, batch_size, batch_atoms):
    whole = Frames(FOUR[[k % 4 for k in range(count)]])
    settings = TrainingConfig(batch_size=batch_size, batch_atoms=batch_atoms)
    plan = Plan(settings, whole, seed=5)(3)
    assert sorted(np.concatenate(plan).tolist()) == list(range(count))
    if batch_atoms is None:
        assert max(map(len, plan)) <= 1.5 * batch_size + 1
    else:  # cut where the atoms are, at most one structure beyond
        counts = whole[range(count)].structures.counts
        assert max(int(counts[part].sum()) for part in plan) <= batch_atoms + int(counts.max())


def test_a_short_yaml_trains_from_files(tmp_path, monkeypatch):
    monkeypatch.setenv("WHERE", str(tmp_path))
    write_extxyz(tmp_path / "data.xyz", labelled(20))
    text = """
data: {train: $WHERE/data.xyz, validation: 0.2, test: 2}
model: {representation: {name: eann, cutoff: 4.0, channels: 3}, hidden: [8]}
training: {epochs: 2, batch_size: 4}
output: $WHERE/run
"""
    (tmp_path / "run.yaml").write_text(text)
    result = train(load_config(tmp_path / "run.yaml"))
    assert set(result.errors) == {"validation", "test"} and len(result.errors["test"]["energy"].predicted) == 2


def test_the_commented_example_is_the_defaults(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(commented_example())
    assert load_config(path) == RunConfig(data=DataConfig(train="training.xyz"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: {train: a.xyz}\ntraining: {epoch: 3}", "did you mean `epochs`"),
        (
            "data: {train: a.xyz}\nmodel: {representation: nemo}",
            r"not the name of a representation(.|\n)*known: acsf",
        ),
        ("data: {train: a.xyz}\ntraining: {weights: {energie: 1}}", "unknown quantities energie"),
        ("data: {train: $NOWHERE_AT_ALL/a.xyz}", "unset variable"),
        ("data: {}", "missing key `data.train`"),
        ("data: {train: a.xyz}\ntraining: {learning_rate: 1e-6}", "must not exceed"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(tmp_path, text, message):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(SpecificationError, match=message):
        load_config(tmp_path / "c.yaml")


def test_a_weight_for_what_the_model_does_not_give_is_refused(tmp_path):
    with pytest.raises(SpecificationError, match="dipole, which the model does not give"):
        run(tmp_path, data=labelled(dipole=True), weights={"forces": 1.0, "dipole": 1.0})


def test_a_label_that_no_structure_carries_is_refused_and_those_found_are_listed(tmp_path):
    with pytest.raises(DataError, match=r"label dipole(.|\n)*found: energy, forces"):
        run(tmp_path, outputs=("energy", "dipole"), data=labelled(), weights={"forces": 1.0, "dipole": 1.0})


def test_an_element_that_only_the_validation_data_have_is_refused(tmp_path):
    other = labelled(3)
    strange = other._replace(structures=other.structures.replace(numbers=other.structures.numbers.clamp(max=7)))
    with pytest.raises(DataError, match="elements N"):
        train(config(tmp_path), {"train": Frames(labelled()), "validation": Frames(strange)})


def test_a_charge_that_the_model_ignores_is_counted(tmp_path):
    data = labelled()
    charge = torch.zeros(24, dtype=torch.float64)
    charge[:5] = 1.0
    with pytest.warns(AtnnWarning, match="structures carry a total charge; the model ignores it"):
        run(tmp_path, data=data._replace(structures=data.structures.replace(charge=charge)), epochs=1)


def test_evaluation_without_any_common_label_is_refused(tmp_path):
    run(tmp_path, epochs=1)
    data = labelled(2)
    bare = data._replace(
        labels={"charges": torch.zeros(len(data.structures.batch))}, masks={"charges": torch.ones(2).bool()}
    )
    with pytest.raises(DataError, match="no label that the model gives"):
        evaluate(load_model(tmp_path / "model.atnn"), Frames(bare), ["charges"])


def test_training_one_molecule_alone_alarms_nobody(tmp_path, recwarn):
    data = labelled(9)
    ethanols = Frames(data)[[k for k in range(9) if k % 3]]
    train(
        config(tmp_path, epochs=1).model_copy(update={"data": DataConfig(train="x", validation=2)}),
        {"train": Frames(ethanols)},
    )
    assert not [w for w in recwarn if issubclass(w.category, AtnnWarning)]
    assert TINY["name"] == "reann"
