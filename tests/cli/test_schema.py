"""The JSON schema of the YAML files: what training takes fits it, and what training refuses does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest
import yaml
from typer.testing import CliRunner

from atnn.cli import app
from atnn.errors import SpecificationError
from atnn.model.registry import CHARGES, OUTPUTS, REPRESENTATIONS, TERMS
from atnn.specification import Specification, make_json_schema, parse
from atnn.training import RunConfig, commented_example
from schemas import fits
from test_docs import PAGES, blocks

SCHEMA = make_json_schema(RunConfig)
DOCUMENTED = [
    block for page in PAGES for block in blocks(page) if block.language == "yaml" and "$schema" not in block.text
]


def complete(text: str) -> dict:
    """A snippet of the documentation as a whole file."""
    return {"data": {"train": "water.xyz"}} | yaml.safe_load(text)


def test_the_commented_example_fits():
    assert fits(yaml.safe_load(commented_example()), SCHEMA)


@pytest.mark.parametrize("block", DOCUMENTED, ids=lambda block: f"{block.title or 'part'} {block.line}")
def test_examples_of_the_documentation_fit(block):
    assert fits(complete(block.text), SCHEMA)


@pytest.mark.parametrize(
    "text",
    [
        "data: {}",
        "dat: {train: x}",
        "data: {train: x, validaton: 0.1}",
        "model: {representation: reanm}",
        "model: {representation: {name: reann, cutof: 4}}",
        "model: {representation: {cutoff: 4.0}}",
        "model: {representation: {name: reann, cutoff: far}}",
        "model: {representation: {name: reann, cutoff: -1.0}}",
        "model: {outputs: [energies]}",
        "model: {outputs: []}",
        "model: {terms: [d4]}",
        "model: {terms: [{name: d4}]}",
        "model: {terms: [{name: zbl, functional: pbe}]}",
        "model: {charges: {name: equilibrate}}",
        "training: {weights: {force: 1}}",
        "training: {weights: {forces: [1, 2, 3]}}",
        "training: {optimizer: sgd}",
        "training: {epochs: many}",
        "seed: -1",
    ],
)
def test_what_training_refuses_does_not_fit(text):
    with pytest.raises(SpecificationError):
        parse(RunConfig, complete(text))
    assert not fits(complete(text), SCHEMA)


def test_every_component_and_output_is_offered():
    text = json.dumps(SCHEMA)
    for registry in (REPRESENTATIONS, TERMS, CHARGES):
        assert all(f'"const": "{name}"' in text for name in registry)
    model = SCHEMA["$defs"]["ModelConfig"]["properties"]
    assert model["outputs"]["items"]["enum"] == list(OUTPUTS)


def test_a_component_registered_later_is_offered(monkeypatch):
    class Spring(Specification):
        """A harmonic term."""

        name: Literal["spring"] = "spring"
        stiffness: float = 1.0

    mine = complete("model: {terms: [{name: spring, stiffness: 2.0}]}")
    assert not fits(mine, make_json_schema(RunConfig))
    monkeypatch.setitem(TERMS, "spring", Spring)
    assert fits(mine, make_json_schema(RunConfig))
    assert not fits(complete("model: {terms: [{name: spring, stifness: 2.0}]}"), make_json_schema(RunConfig))


@pytest.mark.parametrize(("arguments", "key"), [([], "data"), (["train"], "training"), (["model"], "elements")])
def test_the_command_prints_json_and_nothing_else(arguments, key):
    result = CliRunner().invoke(app, ["schema", *arguments])
    assert result.exit_code == 0 and key in json.loads(result.stdout)["properties"]


@pytest.mark.parametrize("document", ["train", "model"])
def test_it_is_a_valid_schema(document):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(CliRunner().invoke(app, ["schema", document]).stdout)
    jsonschema.Draft202012Validator.check_schema(schema)


def test_the_documentation_tells_how_to_bind_it():
    page = Path(__file__).parents[2] / "docs" / "cli.md"
    assert "# yaml-language-server: $schema=atnn.schema.json" in page.read_text(encoding="utf-8")
