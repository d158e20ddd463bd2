from __future__ import annotations

import sqlite3
import warnings
from contextlib import suppress

import numpy as np
import pytest
from ase import Atoms

from atnn.errors import AtnnWarning, LabellingError
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


def filled(path):
    with LabelStore(path) as store:
        store.write("a", SETTINGS, 2, {"energy": np.asarray(-3.5), "forces": np.ones((2, 3))})
        store.write("b", SETTINGS, 2, {}, "did not converge")
    return path


def change(path, statement):
    database = sqlite3.connect(path)
    database.execute(statement)
    database.commit()
    database.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE labels SET value=x'000000000000F03F' WHERE quantity='energy'",
        "UPDATE labels SET value=x'00' WHERE quantity='energy'",
        "UPDATE labels SET value='text' WHERE quantity='energy'",
        "UPDATE labels SET quantity='dipole' WHERE quantity='energy'",
        "DELETE FROM labels WHERE quantity='forces'",
        "UPDATE calculations SET atoms=3 WHERE key='a'",
        "UPDATE calculations SET settings='{' WHERE key='a'",
        "UPDATE calculations SET error='x' WHERE key='a'",
        "UPDATE calculations SET error=NULL WHERE key='b'",
        "DELETE FROM hashes",
    ],
)
def test_a_calculation_that_changed_on_the_disk_is_never_read(tmp_path, statement):
    path = filled(tmp_path / "a.db")
    key = "b" if "'b'" in statement else "a"
    change(path, statement)
    with LabelStore(path) as store:
        with pytest.raises(LabellingError, match=rf"a\.db: the calculation {key} is not what was written"):
            store.read(key)
        with pytest.warns(AtnnWarning, match=r"a\.db: \d calculations are not what was written"):
            assert store.drop_damaged(["a", "b"]) == (2 if "hashes" in statement else 1)
        assert key not in store.errors(["a", "b"])
        assert store.drop_damaged(["a", "b"]) == 0


def test_a_store_without_hashes_gets_them(tmp_path):
    path = filled(tmp_path / "a.db")
    change(path, "DROP TABLE hashes")
    change(path, "PRAGMA user_version=1")
    with LabelStore(path) as store:
        assert store.drop_damaged(["a", "b"]) == 0 and float(store.read("a")["energy"]) == -3.5


def test_no_flipped_bit_gives_another_label(tmp_path):
    content = filled(tmp_path / "a.db").read_bytes()
    generator = np.random.default_rng(0)
    for place in generator.integers(len(content), size=150):
        damaged = bytearray(content)
        damaged[place] ^= 1 << generator.integers(8)
        path = tmp_path / f"{place}.db"
        path.write_bytes(damaged)
        with warnings.catch_warnings(), suppress(LabellingError):
            warnings.simplefilter("ignore", AtnnWarning)
            with LabelStore(path) as store:
                store.drop_damaged(["a", "b"])
                errors = store.errors(["a", "b"])
                assert errors.get("a") is None and errors.get("b", "did not converge") == "did not converge"
                if "a" in errors:
                    found = store.read("a")
                    assert float(found["energy"]) == -3.5 and (found["forces"] == 1).all() and len(found) == 2


def test_a_calculation_that_is_listed_but_not_found_is_damage(tmp_path):
    path = tmp_path / "labels.db"
    with LabelStore(path) as store:
        store.write("a" * 64, {"method": "x"}, 1, {"energy": np.array(1.0)})
        store._database.execute("DELETE FROM calculations")  # as a damaged page of the index does it
        with pytest.raises(LabellingError, match=r"labels\.db: .*index is damaged"):
            store.read("a" * 64)


def test_a_damaged_description_of_the_tables_is_an_error(tmp_path):
    path = filled(tmp_path / "a.db")
    content = path.read_bytes()
    assert content.count(b"PRIMARY KEY (key, quantity)") == 1
    path.write_bytes(content.replace(b"PRIMARY KEY (key, quantity)", b"PRIMARY KEY (key, quan\xf4ity)"))
    with pytest.raises(LabellingError, match=r"a\.db: label store cannot be used"):
        LabelStore(path)
