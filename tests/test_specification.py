"""Specifications refuse what they do not understand and say what was meant."""

from itertools import pairwise
from typing import Literal

import pytest
from pydantic import Field

from atnn.errors import SpecificationError
from atnn.model import ModelSpecification
from atnn.specification import Specification, parse, read_yaml


class Inner(Specification):
    name: Literal["inner"] = "inner"
    cutoff: float = Field(5.0, gt=0)


class Outer(Specification):
    inner: Inner = Inner()
    epochs: int = 3
    parts: tuple[Inner, ...] = ()


def test_values_are_taken_and_cannot_be_changed():
    found = parse(Outer, {"inner": {"cutoff": 6}, "epochs": 5})
    assert found.inner.cutoff == 6.0 and found.epochs == 5
    with pytest.raises(ValueError, match="frozen"):
        found.epochs = 7


@pytest.mark.parametrize(
    ("values", "messages"),
    [
        ({"epoch": 5}, ["run.yaml", "unknown key `epoch`", "did you mean `epochs`"]),
        ({"inner": {"cutof": 5.0}}, ["unknown key `inner.cutof`", "did you mean `cutoff`"]),
        ({"parts": [{"cutoff": 1.0}, {"radius": 5.0}]}, ["unknown key `parts.1.radius`"]),
        ({"zzz": 1}, ["known keys: epochs, inner, parts"]),
        ({"inner": {"cutoff": -1.0}}, ["`inner.cutoff` = -1.0", "greater than 0"]),
        ({"epochs": "many"}, ["`epochs` = 'many'", "no number"]),
        ({"epoch": 5, "inner": {"cutoff": 0}}, ["unknown key `epoch`", "`inner.cutoff`"]),
    ],
)
def test_every_problem_is_named_with_its_place_and_remedy(values, messages):
    with pytest.raises(SpecificationError) as caught:
        parse(Outer, values, where="run.yaml")
    assert all(message in str(caught.value) for message in messages), str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", r"x.yaml, line [34]"),
        ("a: 1\na: 2\n", "key 'a' is given twice"),
        ("- 1\n", "holds no keys"),
        ("a: !!python/object/apply:os.system ['true']\n", "could not determine a constructor"),
    ],
)
def test_broken_or_dangerous_yaml_is_refused(tmp_path, text, message):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(SpecificationError, match=message):
        read_yaml(path)


def test_a_missing_yaml_is_refused(tmp_path):
    with pytest.raises(SpecificationError, match="No such file"):
        read_yaml(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ("a: &a [x, x, x, x, x, x, x, x]\n" + "".join(
            f"{b}: &{b} [{', '.join([f'*{a}'] * 8)}]\n" for a, b in pairwise("abcdefghijkl")
        ), "more than 100000 entries"),
        ("a: &a [*a]\n", "entries"),
        ("a: !!timestamp x\n", "could not determine a constructor"),
        ("a: !!int x\n", "could not convert"),
        ("a: " + "9" * 5000, "Exceeds the limit"),
        ("? [a]\n: 1\n", "unhashable"),
        ("x" * 2_000_000, "no configuration"),
    ],
    ids=["deep", "aliases", "own alias", "timestamp", "tag", "digits", "list as key", "long"],
)  # fmt: skip
def test_absurd_yaml_is_refused(tmp_path, text, message):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(SpecificationError, match=message):
        read_yaml(path)


def test_yaml_in_another_encoding_is_refused(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_bytes("a: é".encode("latin-1"))
    with pytest.raises(SpecificationError, match=r"x\.yaml: is no UTF-8"):
        read_yaml(path)


def test_numbers_in_yaml_are_those_of_json(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("a: [1e-3, 010, -2, 1.5, .5, 2.]\nb: [1_0, 0x10, 1:30, yes, ~]\nc: [.inf, -.Inf]\n")
    found = read_yaml(path)
    assert found["a"] == [1e-3, 10, -2, 1.5, 0.5, 2.0] and found["b"] == ["1_0", "0x10", "1:30", True, None]
    assert found["c"] == [float("inf"), float("-inf")]


@pytest.mark.parametrize("value", [True, "5", "1_0", float("nan"), float("inf"), [], None, "x" * 10**6, {"a": 1}])
def test_what_is_no_number_is_not_taken_for_one(value):
    for values in ({"epochs": value}, {"inner": {"cutoff": value}}):
        with pytest.raises(SpecificationError, match=next(iter(values))) as caught:
            parse(Outer, values)
        assert len(str(caught.value)) < 500


def test_half_a_character_is_an_error_that_names_the_file_and_two_halves_are_one(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text('name: a\nother: "\\ud800"\n')
    with pytest.raises(SpecificationError, match=r"a\.yaml, line 2: half of a character"):
        read_yaml(path)
    path.write_text('{"name": "\\ud83d\\udf01"}')
    assert read_yaml(path) == {"name": "\U0001f701"}
    outputs = {"representation": "eann", "outputs": ["\ud800"]}
    with pytest.raises(SpecificationError, match="the file: a text holds half of a character"):
        parse(ModelSpecification, {"elements": [1], **outputs}, where="the file")
