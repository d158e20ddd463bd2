"""The model that a training begins with, built for the training data and initialised from their statistics."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping

import torch
from ase.data import chemical_symbols

from atnn.data import Dataset, batches_of, isolated_atoms, reference_energies
from atnn.errors import AtnnWarning, DataError
from atnn.model import Model
from atnn.neighbors import neighbor_pairs
from atnn.parts import Statistics
from atnn.quantities import QUANTITIES
from atnn.reading import read
from atnn.training.checks import check_conditions, check_data, check_quantities
from atnn.training.config import RunConfig
from atnn.training.continued import continue_model
from atnn.training.pairs import measure_pairs, spread_pairs
from atnn.training.sets import Sets, draw_sample, find_labels
from atnn.training.statistics import average_energy, average_labels, average_traces, measure_spreads

log = logging.getLogger("atnn")


def initial_model(config: RunConfig, sets: Sets, start: Model | None = None) -> tuple[Model, dict[str, float]]:
    """Build the model that the training begins with, and compute the spreads of the training labels.

    Reference energies, the energy scale, the mean number of neighbors and the initial means of the parts come from the
    training data.

    Args:
        config: The run.
        sets: The data of the run.
        start: A model whose weights and scales the training continues from, instead of a new model, see
            :func:`~atnn.training.continued.continue_model`.

    Raises:
        SpecificationError: A weight is given for a quantity that the model does not give.
        DataError: The data lack labels of a quantity in the loss, do not suit the model, or give no reference energy
            of an element.
    """
    names, carried = list(config.training.weights), find_labels(sets.train)
    model = _build_model(config, sets.train, carried, start)
    model.to(getattr(torch, config.training.dtype))
    check_quantities(model, sets, names, carried)
    means = average_labels(sets.train, names)
    modulo = config.training.dipole_modulo
    spreads = measure_spreads(sets.train, names, model.reference_energies, means, modulo)
    pairs = measure_pairs(sets.train, names)
    spreads |= {name: spread_pairs(QUANTITIES[name], moments) for name, moments in pairs.items()}
    if start is None:
        structures = draw_sample(sets.train).structures
        neighbors = neighbor_pairs(structures, model.cutoff)
        statistics = Statistics(
            neighbors=len(neighbors.i) / len(structures.positions),
            scale=spreads.get("forces", spreads.get("energy", 1.0)),
            # The mean binding energy is known; the network need not spend epochs on learning it.
            energy=average_energy(sets.train, model.reference_energies) if _learns_energies(model, carried) else None,
            means=means,
            spreads=spreads,
            isotropic=average_traces(sets.train, names),
            pairs=pairs,
        )
        model.start(statistics, structures, neighbors)
    check_data(model, sets, names)
    check_conditions(config, sets.train)
    return model, spreads


def _learns_energies(model: Model, carried: set[str]) -> bool:
    return "energy" in model.given and "energy" in carried


def _build_model(config: RunConfig, train: Dataset, carried: set[str], start: Model | None) -> Model:
    numbers = {z for part in batches_of(train) for z in part.structures.numbers.unique().tolist()}
    specification = config.model.specification(numbers if start is None else start.elements)
    learned = "energy" in specification.outputs and "energy" in carried
    energies = _find_reference_energies(config, train) if learned else {}
    if start is None:
        return Model(specification, energies, seed=config.seed_of("weights"))
    return continue_model(start, train, numbers, energies)


def _find_reference_energies(config: RunConfig, train: Dataset) -> dict[int, float]:
    isolated: dict[int | str, float] | None = None
    if config.data.isolated is not None:
        atoms = isolated_atoms(read(config.data.isolated, keys=config.data.keys or None))
        isolated = {z: energy for z, energy in atoms.items()}
    with warnings.catch_warnings(record=True) as caught:
        # Training sets usually have few compositions: that deserves a line in the log, not a warning.
        warnings.simplefilter("always", AtnnWarning)
        energies = reference_energies(train, isolated=isolated)
    energies |= _find_unseen_energies(config, energies, isolated or {})
    for warning in caught:
        log.info("%s", warning.message)
    listed = ", ".join(f"{chemical_symbols[z]} {energy:.6f}" for z, energy in energies.items())
    log.info("reference energies [eV], %s: %s", "isolated atoms" if isolated else "least squares", listed)
    return energies


def _find_unseen_energies(
    config: RunConfig, known: Mapping[int, float], isolated: Mapping[int | str, float]
) -> dict[int, float]:
    """Take the energies of elements that the data lack from isolated atoms, because no fit can give them."""
    unseen = sorted(set(config.model.elements) - set(known))
    lacking = [chemical_symbols[z] for z in unseen if z not in isolated]
    if lacking:
        raise DataError(
            f"neither the training data nor the isolated atoms have {', '.join(lacking)} of model.elements",
            remedy="set data.isolated to a file with one isolated atom of each element, or remove the element",
        )
    return {z: isolated[z] for z in unseen}
