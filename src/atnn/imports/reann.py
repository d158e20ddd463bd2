"""Models of the REANN and EquiREANN packages: the same equations, so the weights are taken over one by one.

Y. Zhang, J. Xia, B. Jiang, J. Chem. Phys. 2022, 156, 114801, doi:10.1063/5.0080766, https://github.com/zhangylch/REANN;
Z. Wu, J. Xia, Y. Zhang, B. Jiang, J. Phys. Chem. A 2024, 128, 11061, doi:10.1021/acs.jpca.4c06669,
https://github.com/bjiangch/EquiREANN.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from ase.data import atomic_numbers
from torch import Tensor

from atnn.errors import ModelFileError
from atnn.imports.checkpoints import Shape, check_tensors, describe_import, read_checkpoint
from atnn.imports.reann_settings import Form, Settings, read_settings
from atnn.model import Model, ModelSpecification
from atnn.reading.factors import find_factors
from atnn.readouts import EnergyReadout
from atnn.specification import parse

REMEDY = "give the input files that the model was trained with, and REANN.pth of the package as of 2023-08 or later"
ENERGY, UPDATE = "nnmod", "density.ocmod.memssage_{}"  # names of the networks; the spelling is the package's


class Layer(NamedTuple):
    """One parameter of the network of an element.

    Attributes:
        source: Its name after that of the network and the element.
        target: Name of our parameter, which holds those of all elements.
        shape: Its shape in the package.
    """

    source: str
    target: str
    shape: tuple[int, ...]


def import_reann(path: Path, input: Path, units: Mapping[str, str] = {}) -> Model:
    """Import a model of energies of the REANN package, or of EquiREANN, which is known by its parameters.

    Args:
        path: The checkpoint, ``REANN.pth``.
        input: Folder of the input files, ``para``; they are read as literals and not run.
        units: Units of ``energy`` and ``length`` in the data that the model was trained on; the package knows none.

    Returns:
        The model in the floating-point type of the checkpoint. The constants that the networks add to the energy of
        each element are its reference energies, in float64.

    Raises:
        DataError: A file cannot be read, or a unit is missing or unknown.
        SpecificationError: The input files lack what the model needs, or a setting is unknown.
        ModelFileError: The checkpoint cannot be read, or does not fit the input files.
    """
    factors = find_factors(units, str(path))
    length, energy = factors["length"].size, factors["energy"].size
    settings, tensors = read_settings(input), read_checkpoint(path, "reannparam", REMEDY)
    equivariant = tensors.get("density.hyper", torch.empty(0)).dim() == 4
    _describe(settings, equivariant, settings.cutoff * length, input)  # refuses sizes beyond all reason
    check_tensors(tensors, _list_shapes(settings, equivariant), path, REMEDY)
    _check_agreement(tensors, settings, path)
    cutoff = float(tensors["density.cutoff"]) * length  # models in float32 have a rounded one
    model = Model(_describe(settings, equivariant, cutoff, input)).to(tensors["density.rs"].dtype)
    own = model.state_dict()
    weights = _convert_orbitals(tensors, settings, equivariant, length) | _convert_networks(tensors, settings)
    model.load_state_dict(own | {name: weight.reshape(own[name].shape) for name, weight in weights.items()})
    _convert_energies(model, tensors, settings, energy)
    stated = {name: units[name] for name in ("energy", "length")}
    model.provenance = describe_import("equireann" if equivariant else "reann", path, stated)
    return model.eval()


def _describe(settings: Settings, equivariant: bool, cutoff: float, folder: Path) -> ModelSpecification:
    energy, updates = settings.energy, settings.updates
    representation = {
        "name": "equireann" if equivariant else "reann",
        "cutoff": cutoff,
        "channels": settings.channels,
        "degree": settings.degree,
        "densities": settings.densities,
        "rounds": settings.rounds,
        "monomials": "raw",
        "widths": "free",
        **_describe_networks(updates),
    }
    content = {
        "elements": [atomic_numbers[symbol] for symbol in settings.elements],
        "representation": representation,
        **_describe_networks(energy),
    }
    return parse(ModelSpecification, content, where=str(folder))


def _describe_networks(form: Form) -> dict[str, object]:
    return {name: value for name, value in form._asdict().items() if name != "dropout"}


def _list_networks(settings: Settings) -> Iterator[tuple[str, str, Form, int]]:
    """List the name of each network in the package, its name here, its form and its number of outputs."""
    for t in range(settings.rounds):
        yield UPDATE.format(t), f"representation.updates.{t}", settings.updates, settings.channels
    yield ENERGY, "parts.energy.network", settings.energy, 1


def _list_layers(form: Form, inputs: int, outputs: int) -> Iterator[Layer]:
    """List the parameters of the network of one element, whose layers the package counts within each block."""
    step, count = 2 + form.layer_norm + form.dropout, len(form.hidden)
    yield from _list_linear("0", 0, inputs, form.hidden[0])
    for block in range(form.blocks):
        for k, (a, b) in enumerate(itertools.pairwise([*form.hidden, form.hidden[0]])):
            place, number = f"{block + 1}.resblock", block * count + k
            yield from _list_activation(f"{place}.{k * step}", number, a)
            if form.layer_norm:
                for source, target in (("weight", "factor"), ("bias", "shift")):
                    yield Layer(f"{place}.{k * step + 1}.{source}", f"activations.{number}.{target}.values", (a,))
            yield from _list_linear(f"{place}.{(k + 1) * step - 1}", number + 1, a, b)
    yield from _list_activation(str(form.blocks + 1), form.blocks * count, form.hidden[0])
    yield from _list_linear(str(form.blocks + 2), form.blocks * count + 1, form.hidden[0], outputs)


def _list_linear(place: str, number: int, inputs: int, outputs: int) -> Iterator[Layer]:
    yield Layer(f"{place}.weight", f"layers.{number}.weight", (outputs, inputs))
    yield Layer(f"{place}.bias", f"layers.{number}.bias", (outputs,))


def _list_activation(place: str, number: int, width: int) -> Iterator[Layer]:
    for name in ("alpha", "beta"):
        yield Layer(f"{place}.{name}", f"activations.{number}.{name}.values", (1, width))


def _list_shapes(settings: Settings, equivariant: bool) -> dict[str, Shape]:
    """List the names and shapes of the parameters that a model of these settings has in the package."""
    table = len(settings.elements), settings.channels
    hyper: tuple[int, ...] = (settings.degree + 1, settings.channels, settings.densities)
    shapes: dict[str, Shape] = {f"density.{name}": table for name in ("rs", "inta", "params")}
    shapes |= {"density.cutoff": (1,), "density.index_para": None}
    if equivariant:
        hyper = (settings.rounds + 1, *hyper)
        shapes |= {"density.nipsin": None} | {f"{name}.initpot": (1,) for name, *_ in _list_networks(settings)}
    shapes["density.hyper"] = hyper
    for network, _, form, outputs in _list_networks(settings):
        for layer in _list_layers(form, settings.densities, outputs):
            shapes |= {
                f"{network}.elemental_nets.{element}.{layer.source}": layer.shape for element in settings.elements
            }
    return shapes


def _check_agreement(tensors: Mapping[str, Tensor], settings: Settings, path: Path) -> None:
    """Check what the shapes do not tell: the order of the elements, and the cutoff."""
    names = [name.split(".")[2] for name in tensors if name.startswith(f"{ENERGY}.elemental_nets.")]
    if tuple(dict.fromkeys(names)) != settings.elements:
        raise ModelFileError(
            f"the elements are {', '.join(dict.fromkeys(names))}, in this order, in the checkpoint, and "
            f"{', '.join(settings.elements)} in the input files",
            where=str(path),
            remedy="write them in the order of the checkpoint: atomtype says which row belongs to which",
        )
    cutoff = float(tensors["density.cutoff"])
    if not math.isclose(cutoff, settings.cutoff, rel_tol=1e-6):
        raise ModelFileError(
            f"the cutoff is {cutoff:g} in the checkpoint and {settings.cutoff:g} in the input files",
            where=str(path),
            remedy=REMEDY,
        )


def _sort_rows(settings: Settings) -> list[int]:
    """Rows of the package in the order of our elements, which is that of their atomic numbers."""
    return sorted(range(len(settings.elements)), key=lambda row: atomic_numbers[settings.elements[row]])


def _convert_orbitals(
    tensors: Mapping[str, Tensor], settings: Settings, equivariant: bool, length: float
) -> dict[str, Tensor]:
    """Convert the parameters of the orbitals; monomials of degree l bring ``length^l`` into the unit of the sums."""
    rows, hyper = _sort_rows(settings), tensors["density.hyper"]
    centers, widths = tensors["density.rs"] * length, -tensors["density.inta"] / length**2
    mixing = hyper * hyper.new_tensor([length**-degree for degree in range(settings.degree + 1)])[:, None, None]
    names = [f"densities.{t}" for t in range(settings.rounds + 1)] if equivariant else ["density"]
    return {
        "representation.neighbor_count": hyper.new_tensor(1.0),  # the package does not scale the sums
        "representation.radial.gaussians.table": torch.cat([centers, widths], dim=1)[rows],
        "representation.coefficients.table": tensors["density.params"][rows],
        **{f"representation.{name}.mixing": part for name, part in zip(names, mixing.chunk(len(names)), strict=True)},
    }


def _convert_networks(tensors: Mapping[str, Tensor], settings: Settings) -> dict[str, Tensor]:
    rows, weights = _sort_rows(settings), {}
    for network, target, form, outputs in _list_networks(settings):
        for layer in _list_layers(form, settings.densities, outputs):
            names = [f"{network}.elemental_nets.{settings.elements[row]}.{layer.source}" for row in rows]
            # Only linear layers have matrices; alpha and beta are rows.
            weights[f"{target}.{layer.target}"] = torch.stack([tensors[name].squeeze(0).t() for name in names])
    return weights


def _convert_energies(model: Model, tensors: Mapping[str, Tensor], settings: Settings, energy: float) -> None:
    """Make the constants of the last layer reference energies, which are exact in float64, and convert the unit."""
    readout = model.parts["energy"]
    assert isinstance(readout, EnergyReadout)
    for row, z in zip(_sort_rows(settings), model.elements, strict=True):
        name = f"{ENERGY}.elemental_nets.{settings.elements[row]}.{settings.energy.blocks + 2}.bias"
        constant = tensors[name].double() + tensors.get(f"{ENERGY}.initpot", torch.zeros(1)).double()
        model.reference_energies[z] = float(constant) * energy
    with torch.no_grad():
        readout.network.layers[-1].get_parameter("bias").zero_()
        readout.scale.fill_(energy)
