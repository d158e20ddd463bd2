"""Model files: safe, complete, and refused when they are not what they say."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from atnn.errors import DataError, ModelFileError
from atnn.model import files, hash_model, load_model, save_model
from contracts.models import evaluate, small_model
from systems import crystal, ethanol

OLD = Path(__file__).parent / "fixtures" / "model_v1.atnn"  # written by write_fixture.py beside it


@pytest.fixture
def saved(tmp_path):
    model = small_model("reann")
    model.provenance = {"seed": 3, "data_hash": "abc"}
    save_model(tmp_path / "model.atnn", model)
    return tmp_path / "model.atnn", model


def rewritten(path, **changes):
    """The same file with another header."""
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["atnn"]) | changes
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(weights, path, metadata={"atnn": json.dumps(header)})
    return path


def test_everything_about_a_model_comes_back(saved):
    path, model = saved
    loaded = load_model(path)
    assert loaded.specification == model.specification and loaded.provenance == model.provenance
    assert loaded.reference_energies == model.reference_energies and loaded.dtype == torch.float64
    for (name, a), (_, b) in zip(model.state_dict().items(), loaded.state_dict().items(), strict=True):
        assert torch.equal(a, b), name


def test_a_file_of_version_1_still_loads():
    expected = json.loads(OLD.with_suffix(".json").read_text())
    found = evaluate(load_model(OLD), ethanol(), ("energy", "forces", "dipole"))
    for name, values in expected.items():
        torch.testing.assert_close(found[name], torch.tensor(values, dtype=found[name].dtype), rtol=1e-9, atol=1e-9)


def test_a_file_of_version_2_with_parts_of_every_kind_still_loads():
    expected = json.loads((OLD.parent / "model_v2.json").read_text())
    model = load_model(OLD.parent / "model_v2.atnn")  # written by write_fixture_v2.py beside it
    for name, atoms in (("molecule", ethanol()), ("crystal", crystal())):
        found = evaluate(model, atoms, tuple(expected[name]))
        for quantity, values in expected[name].items():
            wanted = torch.tensor(values, dtype=torch.float64)
            torch.testing.assert_close(found[quantity].double(), wanted, rtol=1e-10, atol=1e-10)


def test_the_hash_of_a_model_survives_its_file_and_notices_every_change(saved):
    path, model = saved
    loaded = load_model(path)
    assert hash_model(loaded) == hash_model(model)
    next(loaded.parameters()).data.view(-1)[0] += 1e-12
    assert hash_model(loaded) != hash_model(model)
    shifted = load_model(path)
    shifted.reference_energies[1] += 1e-9
    assert hash_model(shifted) != hash_model(model)
    assert hash_model(load_model(path).float()) != hash_model(model)


@pytest.mark.parametrize("kept", [0, 5, 200, -20])
def test_a_truncated_file_is_refused(saved, kept):
    path, _ = saved
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ModelFileError, match=r"model\.atnn: .*(truncated|corrupted|not an atnn)"):
        load_model(path)


def test_a_newer_format_is_refused_with_the_remedy(saved):
    with pytest.raises(ModelFileError, match=r"newer than 3(.|\n)*update atnn"):
        load_model(rewritten(saved[0], version=files.VERSION + 1))


def test_a_foreign_file_is_refused(tmp_path):
    save_file({"x": torch.zeros(2)}, tmp_path / "foreign.atnn")
    with pytest.raises(ModelFileError, match="not an atnn model"):
        load_model(tmp_path / "foreign.atnn")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ModelFileError, match="no such model file"):
        load_model(tmp_path / "nothing.atnn")


def test_weights_that_do_not_fit_are_refused(saved):
    path, model = saved
    values = model.specification.model_dump(mode="json") | {"hidden": [9, 9]}
    with pytest.raises(ModelFileError, match="do not fit"):
        load_model(rewritten(path, specification=values))


def test_a_full_disk_leaves_the_old_model(saved, monkeypatch):
    path, model = saved
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(DataError, match=r"No space left(.|\n)*intact"):
        save_model(path, model)
    assert path.read_bytes() == before and [p.name for p in path.parent.iterdir()] == ["model.atnn"]
