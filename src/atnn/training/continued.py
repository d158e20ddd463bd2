"""The model that a training continues from: what it is, and how it takes over the level of theory of new data."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping

from ase.data import chemical_symbols

from atnn.data import Dataset, Frames, reference_energies
from atnn.errors import AtnnWarning, DataError, SpecificationError
from atnn.model import Model, ModelSpecification, load_model
from atnn.neighbors import neighbor_pairs
from atnn.structures import Labelled
from atnn.training.config import ModelConfig, RunConfig
from atnn.training.sets import draw_sample

log = logging.getLogger("atnn")


def open_start(config: RunConfig, start: Model | None) -> tuple[RunConfig, Model | None]:
    """Open the model that a run continues from; a configuration that describes no model gets that one.

    Args:
        config: The run.
        start: The model, if it is not named in the configuration.

    Raises:
        ModelFileError: The file of the model is damaged.
        SpecificationError: The model is given twice, or is not the one that the configuration describes.
    """
    if start is not None and config.start is not None:
        raise SpecificationError("`start` names a model, and another one is given", remedy="give one of them")
    if start is None and config.pretrain is not None:
        raise SpecificationError(
            "the configuration asks for pretraining, and nothing was trained before",
            where="pretrain",
            remedy="call train(config, start=atnn.active.pretrain(config)), or `atnn train`",
        )
    if start is None and config.start is not None:
        start = load_model(config.start)
    if start is None:
        return config, None
    if "model" not in config.model_fields_set:
        own = {name: value for name, value in start.specification if name != "elements"}
        config = config.model_copy(update={"model": ModelConfig(**own)})
    _refuse_another_model(config.model.specification(start.elements), start.specification)
    return config, start


def _refuse_another_model(described: ModelSpecification, given: ModelSpecification) -> None:
    if other := [name for name, value in described if value != getattr(given, name)]:
        raise SpecificationError(
            f"the model to continue from differs from the configuration in {', '.join(other)}",
            where="model",
            remedy="give the configuration that the model was trained with, or leave `model` out",
        )


def continue_model(start: Model, train: Dataset, numbers: set[int], energies: Mapping[int, float]) -> Model:
    """Copy a model for data of another level of theory: its weights stay, and its energies are moved by element.

    The moves are those that fit the differences between labels and predictions best. Another method has other
    energies of the atoms, and binds them more or less strongly; the network has to learn neither.

    Args:
        start: The model.
        train: The new training data.
        numbers: Atomic numbers of their elements.
        energies: Reference energies of the new level [eV] by atomic number; none if energies are not learned.

    Raises:
        DataError: The model does not know an element of the data.
    """
    if unknown := sorted(numbers - set(start.elements)):
        raise DataError(
            f"the model to continue from does not know {', '.join(chemical_symbols[z] for z in unknown)}",
            where="start",
            remedy="begin with a model of these elements: train it with `networks: shared` and `elements`",
        )
    model = _copy(start, energies)
    if not energies:
        return model
    moves = _fit_moves(model, train)
    listed = ", ".join(f"{chemical_symbols[z]} {move:+.6f}" for z, move in moves.items())
    log.info("energies of the model moved to the new level [eV]: %s", listed)
    return _copy(start, {z: energy + moves.get(z, 0.0) for z, energy in model.reference_energies.items()})


def _copy(start: Model, energies: Mapping[int, float]) -> Model:
    model = Model(start.specification, {**start.reference_energies, **energies})
    model.load_state_dict(start.state_dict())
    return model


def _fit_moves(model: Model, train: Dataset) -> dict[int, float]:
    """Energies of the elements [eV] that explain best what the labels of a sample have beyond the predictions."""
    labelled = draw_sample(train)
    if "energy" not in labelled.labels or not bool(labelled.masks["energy"].any()):
        return {}  # energies are rare, and are learned from the first step on
    structures = labelled.structures
    predicted = model(structures, neighbor_pairs(structures, model.cutoff), ("energy",))["energy"].detach()
    beyond = {"energy": labelled.labels["energy"].double() - predicted.double()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AtnnWarning)  # a few compositions are enough: the smallest moves are wanted
        return reference_energies(Frames(Labelled(structures, beyond, {"energy": labelled.masks["energy"]})))
