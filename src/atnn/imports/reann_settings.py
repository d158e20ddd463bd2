"""The input files of the REANN and EquiREANN packages, ``input_density`` and ``input_nn``.

Names and defaults are those of https://github.com/zhangylch/REANN (commit 6ca3928, 2024-12-09) and
https://github.com/bjiangch/EquiREANN (commit 268b81d, 2025-01-13), which run these files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ase.data import atomic_numbers

from atnn.errors import SpecificationError
from atnn.functions import Activation
from atnn.imports.assignments import read_assignments

FILES = ("input_density", "input_nn")
DEFAULTS: dict[str, Any] = {
    "start_table": 0, "nblock": 1, "nl": [128, 128], "dropout_p": [0.0, 0.0], "table_norm": True, "oc_loop": 1,
    "oc_nl": [128, 128], "oc_nblock": 1, "oc_dropout_p": [0.0, 0.0], "oc_table_norm": True, "norbit": None, "nipsin": 2,
    "cutoff": 5.0, "nwave": 8,
}  # fmt: skip
# Without a default: they have none, or it is not the same in all parts and versions of the package.
WITHOUT = ("atomtype", "activate", "oc_activate", "rs", "inta")
# They say how the model was trained.
TRAINING = (
    "neigh_atoms", "table_coor", "table_init", "ratio", "Epoch", "patience_epoch", "decay_factor", "print_epoch",
    "start_lr", "end_lr", "re_ceff", "batchsize_train", "batchsize_val", "batchsize_test", "e_ceff", "init_f",
    "final_f", "queue_size", "find_unused", "DDP_backend", "folder", "floder", "dtype", "nkpoint",
)  # fmt: skip
ACTIVATIONS: dict[str, Activation] = {"Relu_like": "relu_like", "Tanh_like": "tanh_like"}
LEAST_DROPOUT = 1e-4  # sum of the probabilities from which on the networks have layers for it


class Form(NamedTuple):
    """The form of the networks of the elements.

    Attributes:
        hidden: Widths of the layers of a residual block.
        blocks: Number of residual blocks.
        activation: Their activation.
        layer_norm: Whether the layers are normalised.
        dropout: Whether the blocks have layers of dropout, which hold no parameters and do nothing after training.
    """

    hidden: tuple[int, ...]
    blocks: int
    activation: Activation
    layer_norm: bool
    dropout: bool


class Settings(NamedTuple):
    """What the input files say of a model.

    Attributes:
        elements: Symbols of the elements, in the order of the rows of the parameters.
        cutoff: Cutoff, in the unit of the model.
        degree, channels, densities, rounds: Sizes of the representation.
        energy: Form of the networks of the energy.
        updates: Form of the networks of the coefficients.
    """

    elements: tuple[str, ...]
    cutoff: float
    degree: int
    channels: int
    densities: int
    rounds: int
    energy: Form
    updates: Form


def read_settings(folder: Path) -> Settings:
    """Read the input files of a folder, which is ``para`` where a model was trained.

    Raises:
        DataError: A file cannot be read.
        SpecificationError: A line is no assignment, a setting is unknown, missing or of a wrong kind, or the model is
            none of energies.
    """
    given, known = dict(DEFAULTS), {*DEFAULTS, *WITHOUT, *TRAINING}
    for name in FILES:
        given |= read_assignments(folder / name, known)
    if given["start_table"] not in (0, 1):
        raise SpecificationError(
            f"start_table = {given['start_table']!r}: no model of energies",
            where=str(folder / FILES[1]),
            remedy="dipoles and polarizabilities of this package are no outputs of atnn; train them anew",
        )
    degree, channels = _take(given, "nipsin", int, folder), _take(given, "nwave", int, folder)
    if "rs" in given:  # the centers of the Gaussians, which then also say how many there are
        rows = _take(given, "rs", list, folder) or [[]]
        channels = len(_take({"rs": rows[0]}, "rs", list, folder))
    several = channels * (channels + 1) // 2 * (degree + 1)
    rounds = _take(given, "oc_loop", int, folder)
    energy = _read_form(given, "", folder)
    return Settings(
        elements=_take_elements(given, folder),
        cutoff=float(_take(given, "cutoff", (int, float), folder)),
        degree=degree,
        channels=channels,
        densities=_take(given, "norbit", int, folder) if given["norbit"] else several,
        rounds=rounds,
        energy=energy,
        updates=_read_form(given, "oc_", folder) if rounds else energy,
    )


def _take(given: Mapping[str, Any], name: str, kind: type | tuple[type, ...], folder: Path) -> Any:
    value = given[name]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise SpecificationError(
            f"{name} = {value!r} is of the wrong kind", where=str(folder), remedy="write it as the manual of REANN does"
        )
    return value


def _take_numbers(given: Mapping[str, Any], name: str, folder: Path) -> tuple[Any, ...]:
    values = _take(given, name, (list, tuple), folder)
    return tuple(_take({name: value}, name, (int, float), folder) for value in values)


def _take_elements(given: Mapping[str, Any], folder: Path) -> tuple[str, ...]:
    where = str(folder / FILES[0])
    if "atomtype" not in given:
        raise SpecificationError(
            "the elements are missing", where=where, remedy="add them in their order: atomtype = ['O', 'H']"
        )
    elements = _take(given, "atomtype", (list, tuple), folder)
    unknown = [symbol for symbol in elements if atomic_numbers.get(symbol, 0) < 1]
    if unknown or not elements:
        raise SpecificationError(f"atomtype: no elements: {unknown}", where=where, remedy="write chemical symbols")
    return tuple(elements)


def _read_form(given: Mapping[str, Any], prefix: str, folder: Path) -> Form:
    hidden = _take_numbers(given, f"{prefix}nl", folder)
    if not hidden:
        raise SpecificationError(
            f"{prefix}nl = [] has no layers", where=str(folder / FILES[1]), remedy="write the widths of the layers"
        )
    name = given.get(f"{prefix}activate")
    if name not in ACTIVATIONS:
        what = f"{prefix}activate names no activation" if name is None else f"{prefix}activate = {name!r} is unknown"
        raise SpecificationError(
            what,
            where=str(folder / FILES[1]),
            remedy=f"add the one that the model was trained with: {prefix}activate = 'Relu_like' or 'Tanh_like'",
        )
    return Form(
        hidden=tuple(hidden),
        blocks=_take(given, f"{prefix}nblock", int, folder),
        activation=ACTIVATIONS[name],
        layer_norm=_take(given, f"{prefix}table_norm", bool, folder),
        dropout=sum(_take_numbers(given, f"{prefix}dropout_p", folder)) >= LEAST_DROPOUT,
    )
