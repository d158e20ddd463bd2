"""What a configuration file may say about the model."""

import pytest

from atnn.errors import SpecificationError
from atnn.model import PRESETS, ModelSpecification
from atnn.specification import parse
from atnn.training import ModelConfig


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_stands_for_a_whole_model_and_survives_being_written_and_read(name):
    config = parse(ModelConfig, {"preset": name}, where="model")
    assert config.representation["name"] == PRESETS[name]["representation"]["name"]
    assert parse(ModelConfig, config.model_dump(), where="model") == config
    values = config.model_dump(exclude={"preset"}) | {"elements": (1, 6)}
    assert parse(ModelSpecification, values, where="model").representation.name == config.representation["name"]


def test_a_preset_and_a_representation_are_too_much():
    with pytest.raises(SpecificationError, match=r"accurate sets representation"):
        parse(ModelConfig, {"preset": "accurate", "representation": "eann"}, where="model")


def test_an_unknown_preset_is_refused_with_those_that_are_known():
    with pytest.raises(SpecificationError, match=r"accurate, fast"):
        parse(ModelConfig, {"preset": "best"}, where="model")
