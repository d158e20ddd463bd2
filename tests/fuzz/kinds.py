"""Kinds of input: how each is damaged, and what a user does with it.

``damage`` changes files of a copied sample in the current folder, and tells what it did and whether the format has a
checksum that must notice. ``use`` gives a digest of all numbers that come out.
"""

from __future__ import annotations

import gzip
import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from ase import Atoms

from atnn.data import load_split
from atnn.demo import stages
from atnn.demo.settings import claim
from atnn.dynamics import Trajectory
from atnn.model import ModelPotential, load_model
from atnn.reading import open_dataset
from atnn.reports import spectrum_report
from atnn.structures import Structures
from atnn.training import load_config, train
from atnn.training.initial import initial_model
from atnn.training.sets import open_sets
from dynamics.analytic import PolarizableMorse
from fuzz import archives, commands, documents, values
from fuzz.mutations import damage_bytes, damage_text
from fuzz.samples import DEMO, STEPS, R, Z, dynamics, label_store

DECLARED = {"energy": "eV", "length": "Angstrom"}


class Damage(NamedTuple):
    """What was done, and whether numbers must be those of the whole file if there is no error."""

    name: str
    sealed: bool = False


class Kind(NamedTuple):
    """A kind of input: the folder of its sample, what damages it, and what uses it."""

    sample: str
    damage: Callable[[random.Random], Damage]
    use: Callable[[], Any]


def digest(*things: Any) -> str:
    """A hash of tensors, arrays, and whatever can be printed, in mappings or lists."""
    total = hashlib.sha256()
    for thing in things:
        if isinstance(thing, dict):
            total.update(digest(*(part for name in sorted(thing) for part in (name, thing[name]))).encode())
        elif isinstance(thing, torch.Tensor):
            total.update(f"{thing.dtype}{tuple(thing.shape)}".encode() + thing.detach().contiguous().numpy().tobytes())
        elif isinstance(thing, np.ndarray):
            total.update(f"{thing.dtype}{thing.shape}".encode() + thing.tobytes())
        elif isinstance(thing, list | tuple):
            total.update(digest(*thing).encode())
        else:
            total.update(repr(thing).encode())
    return total.hexdigest()[:16]


def _edit(path: str | Path, mutate: Callable, rng: random.Random, sealed: bool = False) -> Damage:
    content, name = mutate(rng, Path(path).read_bytes())
    Path(path).write_bytes(content)
    return Damage(f"{Path(path).name}: {name}", sealed)


def _text(path: str) -> Callable[[random.Random], Damage]:
    return lambda rng: _edit(path, damage_text, rng)


def _read(path: str, **options: Any) -> Callable[[], str]:
    def use() -> str:
        data = open_dataset(path, **options)
        found = data[np.arange(len(data))]
        static = {name: getattr(found.structures, name) for name in ("positions", "numbers", "cell", "pbc", "batch")}
        return digest(static, found.structures.stated, found.labels, found.masks)

    return use


def _gzip(rng: random.Random) -> Damage:
    """Damage to the stream, which has a checksum; to the text in it; or a line that unpacks to a gigabyte."""
    path = Path("data.xyz.gz")
    choice = rng.random()
    if choice < 0.5:
        return _edit(path, damage_bytes, rng)  # more than one member, or none, is a legal stream
    if choice < 0.98:
        content, name = damage_text(rng, gzip.decompress(path.read_bytes()))
        path.write_bytes(gzip.compress(content, 1))
        return Damage(f"unpacked: {name}")
    letter = rng.choice((b" ", b"1", b"\n"))
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(rng.choice((b"", b"3\n", b"1\nProperties=species:S:1:pos:R:3 a=")))
        for _ in range(1000):
            stream.write(letter * 2**20)
    return Damage(f"bomb of {letter!r}")


def _npz(rng: random.Random) -> Damage:
    return _edit("data.npz", damage_bytes if rng.random() < 0.4 else archives.damage_npz, rng)


def _deepmd(rng: random.Random) -> Damage:
    path = rng.choice(sorted(p for p in Path("system").rglob("*") if p.is_file()))
    if rng.random() < 0.05:
        path.unlink()
        return Damage(f"{path.name} is missing")
    if path.suffix == ".raw":
        return _edit(path, damage_text, rng)
    if rng.random() < 0.4:
        return _edit(path, damage_bytes, rng)
    content, name = archives.write_npy(rng, np.load(path))
    path.write_bytes(content)
    return Damage(f"{path.name}: {name}")


def _ase_files() -> dict[str, Kind]:
    def of(name: str, text: bool) -> Kind:
        return Kind("ase", lambda rng: _edit(name, damage_text if text else damage_bytes, rng), _read(name))

    files = {"traj": False, "db": False, "json": True, "cif": True}
    kinds = {f"ase {suffix}": of(f"data.{suffix}", text) for suffix, text in files.items()}
    return kinds | {"ase POSCAR": of("POSCAR", True)}


def _store(rng: random.Random) -> Damage:
    if rng.random() < 0.5:
        return _edit("data.h5", damage_bytes, rng, sealed=True)
    return Damage(archives.damage_store(rng, Path("data.h5")), sealed=True)


def _safetensors(path: str | Path, rng: random.Random) -> Damage:
    if rng.random() < 0.2:
        return _edit(path, documents.damage_sealed, rng)  # says something else, and says so rightly
    mutate = rng.choice((damage_bytes, documents.damage_header, documents.damage_header, documents.damage_numbers))
    return _edit(path, mutate, rng, sealed=True)


def _use_model() -> str:
    model = load_model("run/model.atnn")
    return digest(ModelPotential(model)(Structures.from_ase(Atoms(Z, R[0])), ["energy", "forces", "dipole"]))


def _configuration(rng: random.Random) -> Damage:
    if rng.random() < 0.5:
        return _edit("config.yaml", damage_text, rng)
    content, name = documents.damage_json(rng, Path("config.json").read_bytes())
    Path("config.yaml").write_bytes(content)  # JSON is YAML
    return Damage(f"as JSON: {name}")


def _use_configuration() -> str:
    config = load_config("config.yaml")
    Path("run").mkdir(exist_ok=True)
    model, spreads = initial_model(config, open_sets(config, Path("run")))
    return digest(dict(model.state_dict()), spreads)


def _run_folder(rng: random.Random) -> Damage:
    path = rng.choices(
        [Path("run", n) for n in ("checkpoint.safetensors", "model.atnn", "config.json", "split.json", "history.csv")],
        [6, 1, 1, 1, 1],
    )[0]
    if rng.random() < 0.03:
        path.unlink()
        return Damage(f"{path.name} is missing")
    if path.suffix == ".safetensors":
        return _safetensors(path, rng)
    if path.suffix == ".json" and rng.random() < 0.5:
        return _edit(path, documents.damage_json, rng)
    return _edit(path, damage_bytes if path.suffix == ".atnn" else damage_text, rng)


def _use_run() -> str:
    config = Path("config.yaml")
    config.write_text(config.read_text().replace("epochs: 2", "epochs: 3"))
    return digest(dict(train(load_config(config)).model.state_dict()))


def _trajectory(rng: random.Random) -> Damage:
    path = rng.choice(sorted(p for p in Path("run.traj").rglob("*") if p.is_file()))
    if rng.random() < 0.05:
        path.unlink()
        return Damage(f"{path.name} is missing", sealed=not path.name.startswith("chunk"))
    if path.suffix not in (".json", ".safetensors"):
        return _edit(path, damage_bytes, rng)  # says who holds the folder, or what was logged
    if path.suffix == ".json":
        return _edit(path, damage_text if rng.random() < 0.5 else documents.damage_json, rng, sealed=True)
    return _safetensors(path, rng)


def _use_trajectory() -> str:
    opened = Trajectory("run.traj")
    parts = {name: opened.read(name) for name in opened.quantities}
    return digest(parts, opened.masses, opened.times, opened.lengths, [a.positions for a in opened.frames(0)])


def _resume_trajectory() -> str:
    report = dynamics(Path("."), STEPS + 20)
    opened = Trajectory("run.traj")
    return digest(report.state.structures.positions, {name: opened.read(name) for name in opened.quantities})


def _labels(rng: random.Random) -> Damage:
    if rng.random() < 0.5:
        return _edit("labels.db", damage_bytes, rng, sealed=True)
    return Damage(archives.damage_database(rng, Path("labels.db")), sealed=True)


def _use_labels() -> str:
    result = label_store(Path("."))
    assert result.labelled is not None and not result.failures
    return digest(result.labelled.structures.positions, result.labelled.labels, result.labelled.masks)


def _split(rng: random.Random) -> Damage:
    return _edit("split.json", damage_text if rng.random() < 0.4 else documents.damage_json, rng)


def _record(rng: random.Random) -> Damage:
    return _edit("s.json", damage_text if rng.random() < 0.4 else documents.damage_json, rng)


def _use_record() -> str:
    written = spectrum_report("run.traj", "s.html", kind="power", resolution=6000.0)
    curves = written.spectra.curves["power"].values()
    return digest(*(part for curve in curves for part in (curve.frequencies, curve.intensity)))


def _demo(rng: random.Random) -> Damage:
    path = rng.choice([Path("demo", name) for name in ("settings.json", "geometries.npy", "modes-direct.json")])
    if path.suffix == ".json":
        return _edit(path, damage_text if rng.random() < 0.4 else documents.damage_json, rng)
    if rng.random() < 0.4:
        return _edit(path, damage_bytes, rng)
    content, name = archives.write_npy(rng, np.load(path))
    path.write_bytes(content)
    return Damage(f"{path.name}: {name}")


def _use_demo() -> str:
    claim(Path("demo"), DEMO)
    positions = stages.sample(Path("demo"), DEMO).positions
    modes = stages.find_modes(PolarizableMorse(), DEMO, Path("demo/modes-direct.json"))
    return digest(positions, modes.frequencies, modes.intensities, modes.displacements, modes.positions)


def _old(version: int) -> Kind:
    """Model files of former versions have no checksum."""
    path = f"model_v{version}.atnn"

    def use() -> str:
        model = load_model(path)
        atoms = Atoms(model.elements, [[1.2 * i, 0.3 * i, 0.1] for i in range(len(model.elements))])
        return digest(ModelPotential(model)(Structures.from_ase(atoms), ["energy", "forces"]))

    return Kind("old models", lambda rng: _safetensors(path, rng)._replace(sealed=False), use)


KINDS: dict[str, Kind] = {
    "extxyz": Kind("extxyz", _text("data.xyz"), _read("data.xyz")),
    "xyz.gz": Kind("gzip", _gzip, _read("data.xyz.gz")),
    "npz": Kind("npz", _npz, _read("data.npz", units=DECLARED)),
    "deepmd": Kind("deepmd", _deepmd, _read("system")),
    "runner": Kind("runner", _text("input.data"), _read("input.data", units=DECLARED)),
    "reann": Kind("reann", _text("configuration"), _read("configuration", units=DECLARED)),
    "fireann": Kind("fireann", _text("configuration"), _read("configuration", units=DECLARED)),
    **_ase_files(),
    "store": Kind("store", _store, _read("data.h5")),
    "split": Kind("split", _split, lambda: digest(load_split("split.json", 12))),
    "configuration": Kind("configuration", _configuration, _use_configuration),
    "model": Kind("training", lambda rng: _safetensors("run/model.atnn", rng), _use_model),
    "model version 1": _old(1),
    "model version 2": _old(2),
    "run folder": Kind("training", _run_folder, _use_run),
    "trajectory": Kind("trajectory", _trajectory, _use_trajectory),
    "resumed trajectory": Kind("trajectory", _trajectory, _resume_trajectory),
    "label store": Kind("labels", _labels, _use_labels),
    "calculator": Kind("training", values.choose("calculator"), values.use),
    "structures": Kind("training", values.choose("structures"), values.use),
    "dynamics": Kind("training", values.choose("dynamics"), values.use),
    "spectrum record": Kind("trajectory", _record, _use_record),
    "demo folder": Kind("demo", _demo, _use_demo),
    "command line": Kind("training", commands.choose, commands.use),
}
