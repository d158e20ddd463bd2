"""From a configuration to data and a model ready to be trained."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from ase.data import chemical_symbols

from atnn.data import (
    Dataset,
    Summary,
    batches_of,
    charge_excess,
    data_hash,
    duplicate_groups,
    isolated_atoms,
    load_split,
    reference_energies,
    save_split,
    split,
)
from atnn.data.labelled import Indices
from atnn.errors import AtnnWarning, DataError, SpecificationError
from atnn.model import Model, ModelSpecification, check_structures
from atnn.neighbors import neighbor_pairs
from atnn.reading import open_dataset, read
from atnn.specification import parse
from atnn.structures import MINIMAL_VOLUME, Labelled, Neighbors, Structures
from atnn.training.config import DataConfig, Part, RunConfig
from atnn.training.loss import label_spreads, mean_charges, mean_energy

log = logging.getLogger("atnn")
SAMPLE = 200  # structures from which neighbors are counted and inputs standardised
HALF = 0.5  # e; charges that miss the total charge by more belong to another whole number of electrons


class Subset:
    """Some structures of a data set, in a given order, as a data set."""

    def __init__(self, whole: Dataset, indices: np.ndarray):
        self.whole, self.indices = whole, np.asarray(indices)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, indices: Indices) -> Labelled:
        return self.whole[self.indices[np.asarray(indices)]]

    @property
    def summary(self) -> Summary:
        """Summary of the whole set."""
        return self.whole.summary


class Sets(NamedTuple):
    """Data of a run."""

    train: Dataset
    validation: Dataset
    test: Dataset | None


def open_sets(
    config: RunConfig, folder: Path, given: Mapping[str, Dataset] | None = None, resumed: bool = True
) -> Sets:
    """The data of a run; parts of the training file are split reproducibly and kept in ``split.json``.

    Args:
        config: The run.
        folder: Where the split is kept.
        given: Data sets by name (``train``, and optionally ``validation`` and ``test``) instead of files.
        resumed: Whether to use the split that the folder holds.

    Raises:
        DataError: A file cannot be read, or a part would be empty.
    """
    given = dict(given or {})
    train = given["train"] if "train" in given else _open(config.data.train, config.data)
    parts: dict[str, Part] = {}
    for name in ("validation", "test"):
        part = getattr(config.data, name)
        if name in given or part is None:
            continue
        if isinstance(part, str | tuple):
            given[name] = _open(part, config.data)
        else:
            parts[name] = part
    if parts:
        indices = _split(train, parts, config.seed, folder / "split.json", resumed)
        given |= {name: Subset(train, indices[name]) for name in parts}
        train = Subset(train, indices["train"])
    return Sets(train, given["validation"], given.get("test"))


def _open(path: str | tuple[str, ...], data: DataConfig) -> Dataset:
    paths = list(path) if isinstance(path, tuple) else path
    return open_dataset(paths, keys=data.keys or None, units=data.units or None, format=data.format)


def _split(dataset: Dataset, parts: Mapping[str, Any], seed: int, path: Path, resumed: bool) -> dict[str, np.ndarray]:
    if resumed and path.exists():
        return load_split(path, len(dataset))
    count = len(dataset)
    sizes = {name: part if isinstance(part, int) else max(1, round(part * count)) for name, part in parts.items()}
    sizes["train"] = count - sum(sizes.values())
    if sizes["train"] < 1:
        raise DataError(f"no structure of {count} is left to train on", remedy="give smaller validation and test parts")
    # Identical geometries must not sit on both sides, or the validation error is too good to be true.
    indices = split(count, sizes, seed, groups=duplicate_groups(dataset))
    save_split(path, indices, count, seed=seed)
    return indices


def build_model(config: RunConfig, sets: Sets) -> tuple[Model, dict[str, float]]:
    """A fresh model for the training data, and the spreads of their labels.

    Reference energies, energy scale and mean number of neighbors come from the training part.

    Raises:
        SpecificationError: A weight for a quantity that the model does not give or that the data do not have.
    """
    train, names = sets.train, list(config.training.weights)
    carried = _carried(train)
    numbers = {z for part in batches_of(train) for z in part.structures.numbers.unique().tolist()}
    values = config.model.model_dump(exclude={"preset"}) | {"elements": sorted(numbers | set(config.model.elements))}
    specification = parse(ModelSpecification, values, where="model")
    energies = _references(config, train) if "energy" in specification.outputs and "energy" in carried else {}
    model = Model(specification, energies, seed=config.seed)
    model.to(getattr(torch, config.training.dtype))
    _check_quantities(model, sets, names, carried)
    charges = mean_charges(train) if "charges" in names else {}
    spreads = label_spreads(train, names, energies, charges)
    model.set_energy_scale(spreads.get("forces", spreads.get("energy", 1.0)))
    if charges:
        model.set_mean_charges(charges)
    structures, pairs = _sample(model, train)
    model.set_neighbor_count(len(pairs.i) / len(structures.positions))
    model.calibrate(structures, pairs)
    if energies:
        # The binding energy of the mean training structure is known; the network shall not spend epochs on it.
        model.set_binding_energy(mean_energy(train, energies) - model.mean_term_energy(structures, pairs))
    for name, part in sets._asdict().items():
        for labelled in batches_of(part) if part is not None else ():
            check_structures(model, labelled.structures, where=f"{name} data")
            _check_stress(labelled, names, where=f"{name} data")
            _check_charges(labelled, names, where=f"{name} data")
    _check_conditions(config, train)
    return model, spreads


def _references(config: RunConfig, train: Dataset) -> dict[int, float]:
    isolated: dict[int | str, float] | None = None
    if config.data.isolated is not None:
        atoms = isolated_atoms(read(config.data.isolated, keys=config.data.keys or None))
        isolated = {z: energy for z, energy in atoms.items()}
    with warnings.catch_warnings(record=True) as caught:
        # Few compositions are the rule in a training set: worth a line in the log, not an alarm.
        warnings.simplefilter("always", AtnnWarning)
        energies = reference_energies(train, isolated=isolated)
    energies |= _unseen(config, energies, isolated or {})
    for warning in caught:
        log.info("%s", warning.message)
    listed = ", ".join(f"{chemical_symbols[z]} {energy:.6f}" for z, energy in energies.items())
    log.info("reference energies [eV], %s: %s", "isolated atoms" if isolated else "least squares", listed)
    return energies


def _unseen(config: RunConfig, known: Mapping[int, float], isolated: Mapping[int | str, float]) -> dict[int, float]:
    """Energies of the isolated atoms of elements that the data do not have, which no fit can give."""
    unseen = sorted(set(config.model.elements) - set(known))
    lacking = [chemical_symbols[z] for z in unseen if z not in isolated]
    if lacking:
        raise DataError(
            f"neither training data nor isolated atoms have {', '.join(lacking)} of model.elements",
            remedy="give data.isolated, a file that holds each atom alone, or remove the element",
        )
    return {z: isolated[z] for z in unseen}


def _check_quantities(model: Model, sets: Sets, names: list[str], carried: set[str]) -> None:
    missing = [name for name in names if name not in model.outputs]
    if missing:
        raise SpecificationError(
            f"training.weights names {', '.join(missing)}, which the model does not give",
            remedy=f"add it to model.outputs, or weigh some of: {', '.join(sorted(model.outputs))}",
        )
    absent = [name for name in names if name not in carried]
    if absent:
        raise DataError(
            f"no training structure has the label {', '.join(absent)}",
            remedy=f"labels found: {', '.join(sorted(carried)) or 'none'}; declare data.keys, or drop the weight",
        )
    unseen = sorted(set(names) - _carried(sets.validation))
    if len(unseen) == len(names):
        raise DataError(
            f"no validation structure has any of the labels {', '.join(names)}",
            remedy="give data.validation labels, or a fraction of the training structures",
        )
    if unseen:
        warnings.warn(f"no validation structure has the label {', '.join(unseen)}", AtnnWarning, stacklevel=3)


def _carried(dataset: Dataset) -> set[str]:
    """Labels that at least one structure has."""
    return {name for part in batches_of(dataset) for name, mask in part.masks.items() if bool(mask.any())}


def _check_stress(labelled: Labelled, names: list[str], where: str) -> None:
    if "stress" not in names or "stress" not in labelled.masks:
        return
    count = int((labelled.masks["stress"] & (labelled.structures.volumes < MINIMAL_VOLUME)).sum())
    if count:
        raise DataError(
            f"{count} structures have a stress but no cell",
            where=where,
            remedy="remove the stress of molecules, or leave it out of training.weights",
        )


def _check_charges(labelled: Labelled, names: list[str], where: str) -> None:
    """Labelled charges of another total charge than is stated are most often those of ions whose charge is not."""
    if "charges" not in names:
        return
    excess = charge_excess(labelled).abs()
    count = int((excess > HALF).sum())
    if count:
        raise DataError(
            f"the charges of the atoms of {count} structures do not sum to their total charge, zero where it is not "
            f"stated; they miss it by up to {float(excess.max()):.3g} e",
            where=where,
            remedy="state the total charge under `charge` (extended XYZ: charge=1), or leave charges out of weights",
        )


def _check_conditions(config: RunConfig, train: Dataset) -> None:
    numbers = {"charge": train.summary.charges, "spin": train.summary.spins}
    for name in config.model.conditions or ():
        if set(numbers[name]) <= {"0"}:
            warnings.warn(
                f"model.conditions names {name}, but it is zero or not stated in all training data",
                AtnnWarning,
                stacklevel=3,
            )


def _sample(model: Model, train: Dataset) -> tuple[Structures, Neighbors]:
    """Structures from all over the data, and their pairs."""
    chosen = np.linspace(0, len(train) - 1, min(SAMPLE, len(train))).astype(int)
    structures = train[np.unique(chosen)].structures
    return structures, neighbor_pairs(structures, model.cutoff)


def provenance(config: RunConfig, sets: Sets) -> dict[str, Any]:
    """What a model file tells about its training: data, versions, seed and the ranges that were seen."""
    versions = {name: importlib.metadata.version(name) for name in ("atnn", "torch", "numpy", "ase")}
    return {
        "data_hash": data_hash(sets.train),
        "structures": len(sets.train),
        "versions": versions,
        "seed": config.seed,
        "config": json.loads(config.model_dump_json()),
        "ranges": _ranges(sets.train),
    }


def _ranges(train: Dataset) -> dict[str, Any]:
    sizes: list[int] = []
    closest: dict[str, float] = {}
    forces = 0.0
    for part in batches_of(train):
        structures = part.structures
        sizes += [int(structures.counts.min()), int(structures.counts.max())]
        if "forces" in part.labels:
            forces = max(forces, float(part.labels["forces"].abs().max()))
        pairs = neighbor_pairs(structures, 3.0)
        cells = structures.cell[structures.batch[pairs.i]]
        shift = torch.einsum("ec,ecx->ex", pairs.shifts, cells)
        lengths = (structures.positions[pairs.j] - structures.positions[pairs.i] + shift).norm(dim=1)
        kinds = structures.numbers[pairs.i] * 1000 + structures.numbers[pairs.j]
        for kind in kinds.unique().tolist():
            a, b = sorted(divmod(kind, 1000))
            name = f"{chemical_symbols[a]}-{chemical_symbols[b]}"
            closest[name] = min(closest.get(name, float("inf")), float(lengths[kinds == kind].min()))
    return {"atoms": [min(sizes), max(sizes)], "largest_force": forces, "shortest_distances": closest}
