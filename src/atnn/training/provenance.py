"""The record of a training in a model file."""

from __future__ import annotations

import importlib.metadata
import json
from typing import Any

from ase.data import chemical_symbols

from atnn.data import Dataset, batches_of, data_hash
from atnn.neighbors import edges, neighbor_pairs
from atnn.training.config import RunConfig
from atnn.training.sets import Sets

REACH = 3.0  # Angstrom; shortest distances between elements are recorded up to here


def describe_training(config: RunConfig, sets: Sets) -> dict[str, Any]:
    """Describe data, versions, seed, configuration and the ranges of the training data as JSON values."""
    versions = {name: importlib.metadata.version(name) for name in ("atnn", "torch", "numpy", "ase")}
    return {
        "data_hash": data_hash(sets.train),
        "structures": len(sets.train),
        "versions": versions,
        "seed": config.seed,
        "config": json.loads(config.model_dump_json()),
        "ranges": _find_ranges(sets.train),
    }


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
