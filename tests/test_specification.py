"""Specifications refuse what they do not understand and say what was meant."""

from typing import Literal

import pytest
from pydantic import Field

from atnn.errors import SpecificationError
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
        ({"epochs": "many"}, ["`epochs` = 'many'", "valid integer"]),
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
