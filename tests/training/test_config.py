"""What a configuration file may say about the model."""

import pytest

from atnn.data import write_extxyz
from atnn.errors import SpecificationError
from atnn.model import PRESETS, REPRESENTATIONS, ModelSpecification
from atnn.specification import parse
from atnn.training import ModelConfig, load_config, train
from training.runs import labelled


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_stands_for_a_whole_model_and_survives_being_written_and_read(name):
    config = parse(ModelConfig, {"preset": name}, where="model")
    assert config.representation.name == PRESETS[name]["representation"]["name"]
    assert parse(ModelConfig, config.model_dump(), where="model") == config
    specification = config.specification([6, 1])
    assert type(specification) is ModelSpecification and specification.elements == (1, 6)
    assert specification.representation == config.representation and specification.hidden == config.hidden


def test_conditions_go_with_presets_and_with_representations_by_name():
    for values in ({"preset": "fast"}, {"representation": "spookynet"}):
        for given in (None, ("charge",), ()):
            config = parse(ModelConfig, values | {"conditions": given}, where="model")
            assert config.specification([1]).conditions == given


def test_a_preset_and_a_representation_are_too_much():
    with pytest.raises(SpecificationError, match=r"accurate sets representation"):
        parse(ModelConfig, {"preset": "accurate", "representation": "eann"}, where="model")


def test_an_unknown_preset_is_refused_with_those_that_are_known():
    with pytest.raises(SpecificationError, match=r"accurate, fast"):
        parse(ModelConfig, {"preset": "best"}, where="model")


@pytest.mark.parametrize(("name", "networks"), [*((name, "element") for name in REPRESENTATIONS), ("reann", "shared")])
def test_one_word_changes_the_representation_and_every_one_learns(tmp_path, name, networks):
    """Sizes are the defaults; labels come from EMT."""
    write_extxyz(tmp_path / "data.xyz", labelled(16))
    (tmp_path / "run.yaml").write_text(
        f"data: {{train: {tmp_path}/data.xyz, validation: 4}}\n"
        f"model: {{representation: {name}, networks: {networks}, hidden: [16]}}\n"
        f"training: {{epochs: 10, batch_size: 4, warmup: 4, weights: {{energy: 0.1, forces: 1}}}}\n"
        f"output: {tmp_path}/run\n"
    )
    result = train(load_config(tmp_path / "run.yaml"))
    first, last = (result.history[k]["train_forces"] for k in (0, -1))
    assert last < 0.7 * first
