"""The record of a training in a model file, and whether a run goes on with the data that it was begun with."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ase.data import chemical_symbols

from atnn.data import Dataset, batches_of, data_hash
from atnn.errors import SpecificationError
from atnn.model import Model, hash_model
from atnn.neighbors import edges, neighbor_pairs
from atnn.training.config import RunConfig
from atnn.training.sets import Sets

_WORDS = {
    "train": "training data",
    "validation": "validation data",
    "test": "test data",
    "isolated": "isolated atoms",
    "start": "model to continue from",
}
REACH = 3.0  # Angstrom; shortest distances between elements are recorded up to here


def describe_training(
    config: RunConfig, sets: Sets, atoms: Mapping[int, float], start: Model | None = None
) -> dict[str, Any]:
    """Describe data, versions, seed, configuration and the ranges of the training data as JSON values.

    Args:
        config: The run.
        sets: Its data.
        atoms: Energies of the isolated atoms of each element [eV], which may come from a file of their own.
        start: The model that the training continues from.
    """
    versions = {name: importlib.metadata.version(name) for name in ("atnn", "torch", "numpy", "ase")}
    return {
        "data_hash": data_hash(sets.train),
        "other_data_hashes": _hash_others(config, sets, atoms) | _hash_start(start),
        "structures": len(sets.train),
        "versions": versions,
        "seed": config.seed,
        "config": json.loads(config.model_dump_json()),
        "ranges": _find_ranges(sets.train),
    }


def refuse_other_data(header: Mapping[str, Any], provenance: Mapping[str, Any], folder: Path) -> None:
    """Refuse to go on with other data than those that a run was begun with.

    Args:
        header: Header of the checkpoint. One of an older version does not know the data that are not trained on.
        provenance: Record of the training that is to go on.
        folder: Its output folder.

    Raises:
        SpecificationError: Data are others; the message names them and their files.
    """
    now = {"train": provenance["data_hash"], **provenance["other_data_hashes"]}
    others = header.get("other_data")
    before = {"train": header.get("data"), **(others if isinstance(others, dict) else {})}
    changed = [name for name, hash in now.items() if before.get(name) not in (None, hash)]
    if changed:
        raise SpecificationError(
            f"the run was begun with other {' and '.join(_WORDS[name] for name in changed)}",
            where=", ".join(dict.fromkeys(_name_source(provenance["config"], name) for name in changed)),
            remedy=f"restore what the run in {folder} was begun with, or choose another output folder",
        )


def _name_source(config: Mapping[str, Any], name: str) -> str:
    """Key of the configuration, and file or files of data, which may be a part of the training data."""
    if name == "start":
        return f"start ({config['start'] or 'in memory'})"
    data = config["data"]
    key = name if isinstance(data[name], str | list) else "train"
    return f"data.{key} ({', '.join([data[key]] if isinstance(data[key], str) else data[key])})"


def _hash_others(config: RunConfig, sets: Sets, atoms: Mapping[int, float]) -> dict[str, str]:
    """Hashes of the data that are not trained on, but that the course of the run or its results depend on."""
    hashes = {name: data_hash(part) for name in ("validation", "test") if (part := getattr(sets, name)) is not None}
    if config.data.isolated is not None:
        energies = json.dumps(sorted(atoms.items()))
        hashes["isolated"] = hashlib.blake2b(energies.encode(), digest_size=16).hexdigest()
    return hashes


def _hash_start(start: Model | None) -> dict[str, str]:
    return {} if start is None else {"start": hash_model(start)}


def _find_ranges(train: Dataset) -> dict[str, Any]:
    sizes: list[int] = []
    closest: dict[str, float] = {}
    forces = 0.0
    for part in batches_of(train):
        structures = part.structures
        sizes += [int(structures.counts.min()), int(structures.counts.max())]
        if "forces" in part.labels:
            forces = max(forces, float(part.labels["forces"].abs().max()))
        pairs = edges(structures, neighbor_pairs(structures, REACH))
        kinds = structures.numbers[pairs.i] * 1000 + structures.numbers[pairs.j]
        for kind in kinds.unique().tolist():
            a, b = sorted(divmod(kind, 1000))
            name = f"{chemical_symbols[a]}-{chemical_symbols[b]}"
            closest[name] = min(closest.get(name, float("inf")), float(pairs.lengths[kinds == kind].min()))
    return {"atoms": [min(sizes), max(sizes)], "largest_force": forces, "shortest_distances": closest}
