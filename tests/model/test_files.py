"""Model files: safe, complete, and refused when they are not what they say."""

import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from atnn.archives import encode
from atnn.errors import AtnnError, DataError, ModelFileError, SpecificationError
from atnn.model import REPRESENTATIONS, Model, ModelSpecification, files, hash_model, load_model, save_model
from atnn.specification import parse
from contracts.models import SMALL, evaluate, small_model
from systems import crystal, ethanol

OLD = Path(__file__).parent / "fixtures" / "model_v1.atnn"  # written by write_fixture.py beside it
DROPPED = "(dropped)"


@pytest.fixture
def saved(tmp_path):
    model = small_model("reann")
    model.provenance = {"seed": 3, "data_hash": "abc"}
    save_model(tmp_path / "model.atnn", model)
    return tmp_path / "model.atnn", model


def rewritten(path, tensors=None, **changes):
    """The same file with another header or other tensors, sealed as if it had been written so."""
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["atnn"].partition("\n")[0]) | changes
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    path.write_bytes(encode({k: v for k, v in header.items() if v is not DROPPED}, weights | (tensors or {})))
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


def test_hashes_tell_terms_without_parameters_apart():
    energies, hashes = {1: -1.0, 8: -2.0}, set()
    for terms in ([], [{"name": "zbl"}], [{"name": "d3", "functional": "pbe"}]):
        specification = ModelSpecification(elements=(1, 8), representation="eann", terms=terms)
        hashes.add(hash_model(Model(specification, energies, seed=0)))
    assert len(hashes) == 3


def test_a_hash_does_not_depend_on_keys_that_have_their_defaults():
    described = files._list_given(ModelSpecification(elements=(1, 8), representation={"name": "eann", "degree": 2}))
    assert described == {"elements": [1, 8], "representation": {"name": "eann"}}


def test_a_file_of_version_3_still_loads():
    expected = json.loads((OLD.parent / "model_v3.json").read_text())
    model = load_model(OLD.parent / "model_v3.atnn")  # written by write_fixture_v3.py beside it
    found = evaluate(model, ethanol(), tuple(expected))
    for name, values in expected.items():
        wanted = torch.tensor(values, dtype=torch.float64)
        torch.testing.assert_close(found[name].double(), wanted, rtol=1e-10, atol=1e-10)


def test_no_flipped_bit_loads(saved):
    path, _ = saved
    content = path.read_bytes()
    generator = np.random.default_rng(0)
    header = 8 + int.from_bytes(content[:8], "little")  # half of the flips hit the header, the rest the weights
    places = [*generator.integers(header, size=100), *generator.integers(header, len(content), size=100)]
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << generator.integers(8)
        path.write_bytes(damaged)
        with pytest.raises(ModelFileError):
            load_model(path)


def test_weights_that_are_no_numbers_are_neither_loaded_nor_saved(saved, tmp_path):
    path, model = saved
    name, weights = next(iter(model.state_dict().items()))
    with pytest.raises(ModelFileError, match=f"NaN or infinite numbers, first {name}"):
        load_model(rewritten(path, tensors={name: torch.full_like(weights, float("inf"))}))
    next(model.parameters()).data.view(-1)[0] = float("nan")
    with pytest.raises(ModelFileError, match=r"new\.atnn: .* NaN or infinite"):
        save_model(tmp_path / "new.atnn", model)
    assert not (tmp_path / "new.atnn").exists()


def test_reference_energies_that_are_no_numbers_are_neither_loaded_nor_saved(saved, tmp_path):
    path, model = saved
    for value in (float("nan"), float("-inf"), "1.0", None):
        energies = {str(z): energy for z, energy in model.reference_energies.items()} | {"6": value}
        with pytest.raises(ModelFileError, match="reference_energies"):
            load_model(rewritten(path, reference_energies=energies))
    model.reference_energies[6] = float("nan")
    with pytest.raises(ModelFileError, match="reference energies"):
        save_model(tmp_path / "new.atnn", model)


@pytest.mark.parametrize(
    "changes",
    [
        {"specification": None},
        {"specification": []},
        {"reference_energies": {}},
        {"reference_energies": {"x": 1.0}},
        {"dtype": "int64"},
        {"dtype": "float32"},  # the weights are float64
        {"dtype": "load"},
        {"provenance": None},
        {"provenance": DROPPED},
        {"specification": DROPPED},
        {"version": None},
        {"version": True},
        {"version": "4"},
        {"version": 0},
        {"extra": 1},
    ],
    ids=str,
)
def test_a_header_with_wrong_content_is_refused(saved, changes):
    with pytest.raises(ModelFileError, match=r"model\.atnn: truncated or corrupted"):
        load_model(rewritten(saved[0], **changes))


def test_a_specification_that_cannot_be_is_refused_with_the_name_of_the_file(saved):
    path, model = saved
    for key, value in (("hidden", [10**9]), ("elements", [200]), ("terms", [None]), ("outputs", ["energy", "charges"])):
        values = model.specification.model_dump(mode="json") | {key: value}
        with pytest.raises((SpecificationError, ModelFileError), match=r"model\.atnn"):
            load_model(rewritten(path, specification=values))


@pytest.mark.parametrize("version", [1, 2, 3])
def test_damage_to_files_without_hashes_is_refused_or_loads(version, tmp_path):
    """These cannot be checked, but nothing but an error of the package may come of them."""
    content = (OLD.parent / f"model_v{version}.atnn").read_bytes()
    generator = np.random.default_rng(version)
    header = 8 + int.from_bytes(content[:8], "little")
    for place in generator.integers(header, size=60):
        damaged = bytearray(content)
        damaged[place] ^= 1 << generator.integers(8)
        (tmp_path / "model.atnn").write_bytes(damaged)
        with suppress(AtnnError):
            load_model(tmp_path / "model.atnn")


@pytest.mark.parametrize("kept", [0, 5, 200, -20])
def test_a_truncated_file_is_refused(saved, kept):
    path, _ = saved
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ModelFileError, match=r"model\.atnn: .*(truncated|corrupted|not a file)"):
        load_model(path)


def test_a_newer_format_is_refused_with_the_remedy(saved):
    with pytest.raises(ModelFileError, match=r"newer than 4(.|\n)*update atnn"):
        load_model(rewritten(saved[0], version=files.VERSION + 1))


def test_a_foreign_file_is_refused(tmp_path):
    save_file({"x": torch.zeros(2)}, tmp_path / "foreign.atnn")
    with pytest.raises(ModelFileError, match="not a file of the kind atnn-model"):
        load_model(tmp_path / "foreign.atnn")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ModelFileError, match="no such file"):
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


@pytest.mark.parametrize("name", sorted(SMALL))
def test_no_size_of_a_thousand_million_asks_for_memory(name):
    fields = REPRESENTATIONS[name].model_fields
    for field in sorted(set(fields) - {"name"}):
        for value in (10**9, [10**9], [1.0e9, 10**9, 1]):
            with suppress(SpecificationError):
                given = {"name": name, **SMALL[name], field: value}
                Model(parse(ModelSpecification, {"elements": (1, 8), "representation": given}))
    for hidden in ([10**9], [4096] * 16):
        with pytest.raises(SpecificationError, match="hidden"):
            values = {"elements": (1, 6, 8), "representation": name, "hidden": hidden, "blocks": 8}
            Model(parse(ModelSpecification, values))
