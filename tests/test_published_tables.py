"""The tables of papers in benchmarks/published: each configuration is valid, and is for a set that exists."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

from atnn.reading.published import find_set, list_sets
from atnn.training import load_config

FOLDER = Path(__file__).parents[1] / "benchmarks" / "published"
ROWS = yaml.safe_load((FOLDER / "table.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def run(monkeypatch):
    """The module of the command."""
    monkeypatch.syspath_prepend(str(FOLDER.parents[1]))
    from benchmarks.published import run

    yield run
    for name in [name for name in sys.modules if name.partition(".")[0] == "benchmarks"]:
        del sys.modules[name]


def test_every_configuration_has_a_row_and_every_set_a_table():
    assert {path.stem for path in FOLDER.glob("*.yaml")} == {*ROWS, "table"}
    assert {row["set"] for row in ROWS.values()} == set(list_sets())


@pytest.mark.parametrize("name", ROWS)
def test_the_configuration_reads_files_of_its_set(name):
    config = load_config(FOLDER / f"{name}.yaml")
    row = find_set(ROWS[name]["set"])
    files = [config.data.train] if isinstance(config.data.train, str) else list(config.data.train)
    assert all(file.startswith(f"data/{row.name}/") for file in files)
    assert config.data.units == row.units
    head = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[1]
    assert head == f"# atnn data get {row.name} && atnn train benchmarks/published/{name}.yaml"


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if "part" in row])
def test_a_part_is_of_files_that_the_table_of_sets_names(run, tmp_path, monkeypatch, name):
    part = find_set(ROWS[name]["set"]).part
    for file in part:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    monkeypatch.setenv("ATNN_DATA", str(tmp_path))
    config = run.configuration(name, ROWS[name], False, 0.5)
    for key in run.PATHS:
        value = getattr(config.data, key)
        assert not isinstance(value, str) or Path(value).relative_to(tmp_path).as_posix() in part
    assert config.output.endswith("-part") and config.training.max_minutes == 0.5


def test_published_indices_of_rmd17_are_taken(run, tmp_path):
    (tmp_path / "splits").mkdir()
    for part, start in (("train", 5000), ("test", 0)):
        lines = "\n".join(map(str, range(start, start + 1000)))
        (tmp_path / "splits" / f"index_{part}_01.csv").write_text(lines)
    config = load_config(FOLDER / "rmd17_aspirin.yaml")
    data = config.data.model_copy(update={"train": str(tmp_path / "npz_data" / "rmd17_aspirin.npz")})
    parts = run.find_parts("rmd17", config.model_copy(update={"data": data}), range(100_000))
    assert parts["train"].tolist() == list(range(5000, 5950)) and parts["validation"][0] == 5950
    assert parts["test"].tolist() == list(range(1000))


def test_the_key_split_of_a_file_is_taken(run, tmp_path):
    words = ["train"] * 8 + ["test"] * 3
    text = "".join(f"1\nProperties=species:S:1:pos:R:3 split={word}\nC 0 0 {k}\n" for k, word in enumerate(words))
    (tmp_path / "a.xyz").write_text(text)
    config = load_config(FOLDER / "c_gap_17.yaml")
    data = config.data.model_copy(update={"train": str(tmp_path / "a.xyz"), "validation": 2})
    parts = run.find_parts("key", config.model_copy(update={"data": data}), range(11))
    assert parts["test"].tolist() == [8, 9, 10] and len(parts["validation"]) == 2
    assert sorted([*parts["train"], *parts["validation"]]) == list(range(8))
