"""Checks that a model and its training data fit each other."""

from __future__ import annotations

import warnings

from atnn.atoms import MINIMAL_VOLUME
from atnn.data import Dataset, batches_of, charge_excess, select
from atnn.data.overlaps import check_order
from atnn.errors import AtnnWarning, DataError, SpecificationError
from atnn.model import Model
from atnn.model.checks import refuse_charged_cells
from atnn.quantities import QUANTITIES
from atnn.structures import Labelled
from atnn.training.config import RunConfig
from atnn.training.sets import Sets, find_labels

HALF = 0.5  # e; a larger deviation from the total charge means another number of electrons


def check_data(model: Model, sets: Sets, names: list[str]) -> None:
    """Check all structures and labels of a run.

    Args:
        model: The model to train.
        sets: The data of the run.
        names: Quantities in the loss.

    Raises:
        DataError: The model cannot describe a structure, a stress has no volume, charges do not sum to the stated
            total charge, Born charges of charged cells would be derivatives of a dipole, or the orbitals of a
            Hamiltonian stand in another order than the basis of the model states.

    Warns:
        AtnnWarning: The model ignores stated charges or spins; the message gives their number.
    """
    for name, part in sets._asdict().items():
        for labelled in batches_of(part) if part is not None else ():
            model.check_structures(labelled.structures, where=f"{name} data")
            _check_volumes(labelled, names, where=f"{name} data")
            _check_charges(labelled, names, where=f"{name} data")
            refuse_charged_cells(labelled.structures, names, model.given, where=f"{name} data")
            if "hamiltonian" in names and "hamiltonian" in labelled.labels:
                _check_orbitals(model, labelled, where=f"{name} data")


def _check_orbitals(model: Model, labelled: Labelled, where: str) -> None:
    """Check the order of orbitals of the first and the last structure with a Hamiltonian."""
    basis = model.specification.basis
    assert basis is not None
    if "overlap" not in labelled.labels:
        message = f"{where}: without overlaps the order of orbitals of the hamiltonians cannot be checked"
        warnings.warn(message, AtnnWarning, stacklevel=3)
        return
    places = (labelled.masks["hamiltonian"] & labelled.masks["overlap"]).nonzero()[:, 0].tolist()
    for place in sorted({*places[:1], *places[-1:]}):
        one = select(labelled, [place])
        check_order(one.structures, one.labels["overlap"], basis, where=f"{where}: structure {place}")


def check_quantities(model: Model, sets: Sets, names: list[str], carried: set[str]) -> None:
    """Check that the model gives the quantities in the loss and that the data have labels for them.

    Args:
        model: The model to train.
        sets: The data of the run.
        names: Quantities in the loss.
        carried: Quantities that the training data have labels for.

    Raises:
        SpecificationError: The model does not give a quantity.
        DataError: The training data have no label for a quantity, or the validation data have none for any.

    Warns:
        AtnnWarning: The validation data have no label for some of the quantities.
    """
    missing = [name for name in names if name not in model.outputs]
    if missing:
        raise SpecificationError(
            f"training.weights names {', '.join(missing)}, which the model does not give",
            remedy=f"add it to model.outputs, or choose from: {', '.join(sorted(model.outputs))}",
        )
    absent = [name for name in names if name not in carried]
    if absent:
        raise DataError(
            f"no training structure has the label {', '.join(absent)}",
            remedy=f"labels found: {', '.join(sorted(carried)) or 'none'}; set data.keys, or remove the weight",
        )
    unseen = sorted(set(names) - find_labels(sets.validation))
    if len(unseen) == len(names):
        raise DataError(
            f"no validation structure has any of the labels {', '.join(names)}",
            remedy="give data.validation labels, or a fraction of the training structures",
        )
    if unseen:
        warnings.warn(f"no validation structure has the label {', '.join(unseen)}", AtnnWarning, stacklevel=3)


def _check_volumes(labelled: Labelled, names: list[str], where: str) -> None:
    flat = labelled.structures.volumes < MINIMAL_VOLUME
    for name in [name for name in names if QUANTITIES[name].per_volume and name in labelled.masks]:
        if count := int((labelled.masks[name] & flat).sum()):
            raise DataError(
                f"{count} structures have a {name} but no cell",
                where=where,
                remedy=f"remove the {name} of molecules, or leave it out of training.weights",
            )


def _check_charges(labelled: Labelled, names: list[str], where: str) -> None:
    """Compare the sums of labelled charges with the total charges, which are often missing where the data hold ions."""
    if "charges" not in names:
        return
    excess = charge_excess(labelled).abs()
    count = int((excess > HALF).sum())
    if count:
        raise DataError(
            f"the charges of the atoms of {count} structures do not sum to their total charge, which is zero unless "
            f"stated; the sums differ from it by up to {float(excess.max()):.3g} e",
            where=where,
            remedy="state the total charge under `charge` (extended XYZ: charge=1), or leave charges out of weights",
        )


def check_conditions(config: RunConfig, train: Dataset) -> None:
    """Warn of conditions of the model that no training structure states.

    Without a field there may be labels of its responses, from which an energy in a field is learned as well.
    """
    for name in config.model.conditions or ():
        if name == "field" and any(_responds(weight) for weight in config.training.weights):
            continue
        if set(train.summary.stated.get(name, {})) <= {"0"} and not any(train.summary.magnitudes.get(name, ())):
            warnings.warn(
                f"model.conditions names {name}, but it is zero or not stated in all training data",
                AtnnWarning,
                stacklevel=3,
            )


def _responds(name: str) -> bool:
    rule = QUANTITIES[name].derivative
    return rule is not None and (rule.by == "field" or _responds(rule.of))
