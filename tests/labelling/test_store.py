from __future__ import annotations

import sqlite3

import numpy as np
import pytest
from ase import Atoms

from atnn.errors import LabellingError
from atnn.labelling.store import LabelStore, task_key
from atnn.structures import Structures
from systems import crystal, ethanol

SETTINGS = {"program": "none", "version": 1}


def test_labels_come_back_exactly_and_shaped(tmp_path):
    rng = np.random.default_rng(0)
    labels = {"energy": np.asarray(-1e4 / 3), "forces": rng.normal(size=(4, 3)), "stress": rng.normal(size=(3, 3))}
    with LabelStore(tmp_path / "a.db") as store:
        store.write("key", SETTINGS, 4, labels)
    with LabelStore(tmp_path / "a.db") as store:
        found = store.read("key")
        assert store.errors(["key", "other"]) == {"key": None}
    for name, value in labels.items():
        np.testing.assert_array_equal(found[name], value)


def test_key_depends_on_all_that_labels_depend_on():
    atoms = crystal()
    keys = {task_key(Structures.from_ase(atoms), SETTINGS), task_key(Structures.from_ase(atoms), {"program": "x"})}
    for change in ("positions", "cell", "pbc", "charge", "spin", "electric_field", "numbers"):
        other = atoms.copy()
        if change == "positions":
            other.positions[0, 0] += 1e-9
        elif change == "cell":
            other.cell[0, 0] += 1e-9
        elif change == "pbc":
            other.pbc = (True, True, False)
        elif change == "numbers":
            other.numbers[0] = 6
        elif change == "electric_field":
            other.info[change] = [0.0, 0.0, 0.1]
        else:
            other.info[change] = 2
        keys.add(task_key(Structures.from_ase(other), SETTINGS))
    assert len(keys) == 9
    assert task_key(Structures.from_ase(atoms.copy()), SETTINGS) in keys


def test_keys_stay_what_they_were():
    """Stores written by earlier versions are found again."""
    atoms = Atoms("OH", positions=[[0.0, 0.0, 0.0], [0.0, 0.0, 0.97]], info={"charge": -1, "spin": 0})
    known = "a4076a456bdab8a8441c8365ac0ebd8ed7e818cda678b1daa92a117541673154"
    assert task_key(Structures.from_ase(atoms), SETTINGS) == known
    atoms.info["electric_field"] = [0.0, 0.0, 0.0]
    assert task_key(Structures.from_ase(atoms), SETTINGS) == known, "no field is a field of zero"


def test_zero_and_minus_zero_are_one_geometry():
    atoms = ethanol()
    atoms.positions[0] = 0.0
    first = task_key(Structures.from_ase(atoms), SETTINGS)
    atoms.positions[0] = -0.0
    assert task_key(Structures.from_ase(atoms), SETTINGS) == first


def test_a_foreign_or_newer_file_is_an_error(tmp_path):
    (tmp_path / "text.db").write_text("this is no database, " * 200)
    with pytest.raises(LabellingError, match="cannot be used"):
        LabelStore(tmp_path / "text.db")
    database = sqlite3.connect(tmp_path / "new.db")
    database.execute("PRAGMA user_version=99")
    database.close()
    with pytest.raises(LabellingError, match="update atnn"):
        LabelStore(tmp_path / "new.db")
