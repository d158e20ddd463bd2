"""One table of a paper: the published set, split and settings, and the published number beside ours.

    OMP_NUM_THREADS=1 python -m benchmarks.published.run 3bpa [--minutes 60]

Without a network the part of the set below ATNN_DATA is learned instead, which checks that everything works; the row
says so, and its errors compare with nothing. A second call goes on with an unfinished training.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from benchmarks import systems

from atnn.data import Dataset, split
from atnn.errors import AtnnError, DataError
from atnn.quantities import quantity
from atnn.reading import convert, open_dataset
from atnn.reading.published import Fetched, fetch
from atnn.reading.readers import extxyz, qm9
from atnn.specification import parse, read_yaml
from atnn.training import RunConfig, TrainingResult, evaluate, train
from atnn.training.sets import Subset

HERE = Path(__file__).parent
PATHS = ("train", "validation", "test", "isolated")
Parts = dict[str, np.ndarray]


def load_rows() -> dict[str, dict[str, Any]]:
    """The table of this folder."""
    return yaml.safe_load((HERE / "table.yaml").read_text(encoding="utf-8"))


def configuration(name: str, row: Mapping[str, Any], complete: bool, minutes: float | None) -> RunConfig:
    """The run of a row on the whole set or on the part that is here.

    Raises:
        DataError: Only a part could be here, and there is none.
    """
    values = read_yaml(HERE / f"{name}.yaml")
    if not complete:
        values = {key: merge(value, row["part"].get(key)) for key, value in values.items()}
        for key in PATHS:
            if isinstance(values["data"].get(key), str):
                values["data"][key] = str(systems.data(*values["data"][key].split("/")))
        values["output"] += "-part"
        values["training"]["compile"] = False  # it would take longer than what is learned
    values["training"]["max_minutes"] = minutes
    return parse(RunConfig, values, where=f"{name}.yaml")


def merge(value: Any, changes: Any) -> Any:
    """A section of a configuration with the keys that replace others."""
    if changes is None or not isinstance(value, dict):
        return value if changes is None else changes
    return value | changes


def find_parts(kind: str | None, config: RunConfig, whole: Dataset) -> Parts | None:
    """Indices of the published split, None where none is published or the files themselves are the split."""
    if kind == "rmd17":  # csv files beside the arrays; the last 50 to train validate, as in the papers
        folder = Path(str(config.data.train)).parents[1] / "splits"
        chosen = {part: np.loadtxt(folder / f"index_{part}_01.csv", dtype=int) for part in ("train", "test")}
        return {"train": chosen["train"][:-50], "validation": chosen["train"][-50:], "test": chosen["test"]}
    if kind == "key":
        names = np.array([str(frame.info["split"]) for frame in extxyz.read_frames(Path(str(config.data.train)))])
        learned, count = np.flatnonzero(names == "train"), int(config.data.validation)
        held = split(len(learned), {"train": len(learned) - count, "validation": count}, config.seed)
        return {part: learned[own] for part, own in held.items()} | {"test": np.flatnonzero(names == "test")}
    if kind == "qm9":
        return split_qm9(Path(str(config.data.train)), config, len(whole))
    return None


def split_qm9(archive: Path, config: RunConfig, count: int) -> Parts:
    """110 000 molecules to train of those whose geometries are consistent."""
    lines = (archive.parent / "uncharacterized.txt").read_text().splitlines()
    words = [line.split() for line in lines]
    bad = {int(word[0]) for word in words if len(word) > 2 and word[0].isdigit()}
    good = np.array([k for k, frame in enumerate(qm9.read_frames(archive)) if frame.info["index"] not in bad])
    sizes = {"train": 110_000, "validation": int(config.data.validation)}
    sizes["test"] = len(good) - sum(sizes.values())
    print(f"{count - len(good)} of {count} molecules are left out, whose geometries are not consistent")
    return {part: good[own] for part, own in split(len(good), sizes, config.seed).items()}


def learn(config: RunConfig, kind: str | None) -> TrainingResult:
    """Train on the published split, or on that of the configuration."""
    if kind is None:
        return train(config)
    data = config.data
    whole = open_dataset(data.train, keys=data.keys or None, units=data.units or None, format=data.format)
    parts = find_parts(kind, config, whole)
    return train(config, {part: Subset(whole, own) for part, own in parts.items()})


def prepare(name: str, found: Fetched) -> None:
    """QM7-X is larger than most memories, and a store is read lazily."""
    files = [path for path in found.paths if path.suffix == ".hdf5"]
    if files and found.complete and not (target := files[0].with_name(f"{name}.h5")).exists():
        print(f"{name}: {len(files)} files are converted to {target}")
        convert(files, target)


def describe(errors: Mapping[str, Any], error: str) -> str:
    """Errors in the units of people, for instance 2.3 / 8.1."""
    cells = []
    for name, values in errors.items():
        if name.endswith("per_atom"):
            continue
        scale = 1e3 if name in ("energy", "forces") else 1.0
        unit = {"energy": "meV", "forces": "meV/A"}.get(name, f"{quantity(name).unit} ({name})")
        cells.append(f"{scale * getattr(values, error):.4g} {unit}")
    return ", ".join(cells)


def print_row(name: str, row: Mapping[str, Any], run: TrainingResult, complete: bool, more: Mapping[str, str]) -> None:
    """The published numbers, and those of this run."""
    units = {"energy": "meV", "forces": "meV/A"}
    last = run.history[-1] if run.history else {"epoch": 0.0, "seconds": 0.0}
    state = "finished" if run.finished else f"not finished, epoch {last['epoch']:.0f}"
    print(f"\n| {name} | {row['error'].upper()} of the test set |\n|---|---|")
    for other in row["published"]:
        numbers = ", ".join(f"{other[key]} {unit}" for key, unit in units.items() if key in other)
        print(f"| {other['model']}, doi:{other['doi']} | {numbers} |")
    if not row["published"]:
        print("| published | see the README |")
    print(f"| atnn, {'whole set' if complete else 'PART of the set: no comparison'}, {state} | ", end="")
    print(f"{describe(run.errors['test'], row['error'])} |")
    for label, errors in more.items():
        print(f"| atnn, {label} | {errors} |")


def main() -> None:
    rows = load_rows()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=rows)
    parser.add_argument("--minutes", type=float, help="after which the training stops; a second call goes on")
    arguments = parser.parse_args()
    row = rows[arguments.name]
    os.environ.setdefault("ATNN_DATA", str(systems.ROOT.parent / "shared" / "data"))
    try:
        found = fetch(row["set"])
        if not found.complete and "part" not in row:
            raise DataError(f"the set {row['set']} is not here", remedy="run this with a network")
        if not found.complete:
            print(f"{row['set']} is not here as a whole: a part of it is learned, {', '.join(map(str, found.paths))}")
        prepare(row["set"], found)
        config = configuration(arguments.name, row, found.complete, arguments.minutes)
        run = learn(config, row.get("split") if found.complete else None)
        tests = row.get("more", {}).items() if found.complete else ()
        more = {label: describe(evaluate(run.model, open_dataset(path)), row["error"]) for label, path in tests}
    except AtnnError as error:
        parser.exit(1, f"{error}\n")
    print_row(arguments.name, row, run, found.complete, more)


if __name__ == "__main__":
    main()
