"""Results say what made them, and are not replaced by those of something else."""

from __future__ import annotations

import json

import pytest

from atnn.errors import DataError
from atnn.observables.records import refuse_other, write_record


def test_a_record_says_what_made_the_result_and_gives_way_to_its_like(tmp_path):
    path = write_record(tmp_path / "r.json", "kind", {"run": "a", "trajectory": "b"}, {"numbers": [1.0]})
    found = json.loads(path.read_text())
    assert found["origin"] == {"run": "a", "trajectory": "b"} and found["numbers"] == [1.0]
    assert found["version"] == 1 and found["atnn"]
    refuse_other(path, "kind", {"run": "a"})
    refuse_other(tmp_path / "none.json", "kind", {"run": "z"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"format": "kind", "origin": {"run": "b"}}', "another origin .run b, not a"),
        ('{"format": "kind", "origin": {}}', "another origin .run None, not a"),
        ('{"format": "kind"}', "is not of the kind"),
        ('{"format": "other", "origin": {"run": "a"}}', "is not of the kind"),
        ('{"mine": 1}', "is not of the kind"),
        ("no json", "damaged JSON"),
    ],
)
def test_what_something_else_made_is_not_replaced(tmp_path, content, message):
    path = tmp_path / "r.json"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        refuse_other(path, "kind", {"run": "a"})
