"""Every number that tests compare with says where it is from."""

import datetime
import json

import pytest

from references.loading import FOLDER

SCRIPTS = {path.name for path in FOLDER.glob("*.py")} - {"loading.py", "writing.py", "test_references.py"}
FILES = sorted(FOLDER.glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_reference_has_values_unit_source_version_and_date(path):
    entry = json.loads(path.read_text())
    assert set(entry) == {"values", "unit", "source", "version", "date", "script"}
    assert all(entry[name] for name in ("values", "unit", "source", "version"))
    assert datetime.date.fromisoformat(entry["date"])
    if entry["script"] is None:
        assert "doi:10." in entry["source"]
    else:
        assert entry["script"] in SCRIPTS and " " in entry["version"]  # name and version of the program


def test_every_script_writes_a_reference():
    assert {json.loads(path.read_text())["script"] for path in FILES} - {None} == SCRIPTS
