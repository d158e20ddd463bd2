"""Models of the published code of SpookyNet (github.com/OUnke/SpookyNet), energy by energy the same here.

O. T. Unke et al., Nat. Commun. 2021, 12, 7273, doi:10.1038/s41467-021-27504-0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from atnn import units
from atnn.imports.checkpoints import describe_import
from atnn.imports.spookynet_file import Options, Weights, read_file
from atnn.model import Model, ModelSpecification

CONSTANT = 1e-4  # of the random features, in the published code
REACH = 50.0  # Angstrom; dispersion is that of the published code, which has no cutoff, up to four fifths of this
SCREENING = ("_c1", "_c2", "_c3", "_c4", "_a1", "_a2", "_a3", "_a4", "_apow")
STAGES = (("first", "1"), ("second", "2"))  # layers of a residual block here, and their numbers there


def import_spookynet(path: Path) -> Model:
    """Import a model that the published code of SpookyNet saved, such as its ``parameters.pth``.

    The model has float64 weights, gives energy, charges and dipole, and knows all elements up to radon, as the original
    does whether it has seen them or not. It equals the original but for constants of nature, which have other digits
    here. Energies and forces agree to about 1e-7 eV and 1e-7 eV/Angstrom.

    Three things differ. Dispersion is switched off from 40 to 50 Angstrom. Periodic structures have Ewald sums, where
    the original sums pairs of its neighbor list. The original takes zero for the largest product of keys and random
    features if all are negative and several structures are computed at once. Here, a batch gives what each of its
    structures gives alone.

    Args:
        path: The file.

    Raises:
        DataError: The file cannot be read.
        ModelFileError: It is no such file, its options cannot be represented, or weights are missing, left over or of
            another shape.
    """
    path = Path(path)
    options, weights = read_file(path)
    width, rows = options.num_features, options.Zmax
    biases, output = weights.take("element_bias", rows, 2), weights.take("output.weight", 2, width)
    elements = tuple(range(1, rows))
    specification = ModelSpecification(
        elements=elements,
        representation=_specify_representation(options),
        outputs=("energy", "dipole"),
        terms=_specify_terms(options, weights),
        hidden=(2,),
    )
    model = Model(specification, {z: float(biases[z, 0]) for z in elements}).double()
    with torch.no_grad():
        representation = _convert_representation(options, weights, model.representation.shells.codes)
        raw = _take_screening(weights) if options.use_zbl_repulsion else None
        weights.leave("keep_prob", "radial_basis_functions.n", "radial_basis_functions.v")
        weights.check()
        model.representation.load_state_dict(representation)
        _fill_readout(model.get_submodule("parts.energy.network"), output[0], torch.zeros(rows - 1))
        _fill_readout(model.get_submodule("parts.dipole.network"), output[1], biases[1:, 1])
        if raw is not None:
            model.get_parameter("parts.zbl.raw").copy_(raw)
    model.provenance = describe_import("spookynet", path, {"energy": "eV", "length": "Angstrom"})
    return model.eval()


def _specify_representation(options: Options) -> dict[str, Any]:
    return {
        "name": "spookynet",
        "cutoff": options.cutoff,
        "channels": options.num_features,
        "rounds": options.num_modules,
        "radial": options.num_basis_functions + options.exp_weighting,
        "random_features": options.num_features,
        "constant": CONSTANT,
    }


def _specify_terms(options: Options, weights: Weights) -> tuple[dict[str, Any], ...]:
    """Specify the terms of the energy that the model has."""
    terms: list[dict[str, Any]] = []
    if options.use_zbl_repulsion:
        terms.append({"name": "zbl", "learnable": True, "cutoff": options.cutoff})
    if options.use_electrostatics:
        terms.append({"name": "electrostatics", "cutoff": options.cutoff, "damping": options.cutoff})
    if options.use_d4_dispersion:
        s6, s8, a1, a2, scale = (_take_positive(weights, name) for name in ("_s6", "_s8", "_a1", "_a2", "_scaleq"))
        damping = {"s6": s6, "s8": s8, "a1": a1, "a2": a2 * units.bohr}
        terms.append({"name": "d4", "functional": damping, "charge_scale": scale, "cutoff": REACH})
        # Names of parameters begin with an underscore; the others are the tables of the method.
        weights.leave(*(name for name in weights.tensors if _is_table(name)))
    return tuple(terms)


def _is_table(name: str) -> bool:
    return name.startswith("d4_dispersion_energy.") and not name.startswith("d4_dispersion_energy._")


def _take_positive(weights: Weights, name: str) -> float:
    return float(softplus(weights.take(f"d4_dispersion_energy.{name}")))


def _take_screening(weights: Weights) -> Tensor:
    """Take the constants of the repulsion. The original multiplies by an inverse length, ZBL divides by a length."""
    values = [weights.take(f"zbl_repulsion_energy.{name}", 1) for name in SCREENING]
    length = 1 / softplus(weights.take("zbl_repulsion_energy._adiv", 1))
    return torch.cat([*values, torch.log(torch.expm1(length))])


def _convert_representation(options: Options, weights: Weights, shells: Tensor) -> dict[str, Tensor]:
    """Name the weights of the representation as here."""
    width, rows = options.num_features, options.Zmax
    slopes = weights.take("nuclear_embedding.config_linear.weight", width, 20).T
    embedding = weights.take("nuclear_embedding.element_embedding", rows, width)
    embedding = embedding + weights.take("nuclear_embedding.electron_config", rows, 20) @ slopes
    found = {
        "neighbor_count": torch.ones(()),
        "decay": weights.take("radial_basis_functions._alpha"),
        "shells.table": torch.zeros(width),
        "shells.slopes": slopes,
        "rows.table": embedding[1:] - shells @ slopes,
    }
    for condition, name, signs in (("charge", "charge", 2), ("spin", "magmom", 1)):
        target = f"electrons.embeddings.{condition}"
        found |= _convert_electrons(weights, f"{name}_embedding", f"{target}.", width, signs)
    for number in range(options.num_modules):
        found |= _convert_module(options, weights, f"module.{number}", f"rounds.{number}.")
    return found


def _convert_electrons(weights: Weights, source: str, target: str, width: int, signs: int) -> dict[str, Tensor]:
    found = {
        f"{target}weight": weights.take(f"{source}.linear_q.weight", width, width).T,
        f"{target}bias": weights.take(f"{source}.linear_q.bias", width),
        f"{target}keys": weights.take(f"{source}.linear_k.weight", width, signs).T.flatten(),
        f"{target}values": weights.take(f"{source}.linear_v.weight", width, signs).T.flatten(),
    }
    return found | _convert_networks(weights, [f"{source}.resblock"], f"{target}network.", width, bias=False)


def _convert_module(options: Options, weights: Weights, source: str, target: str) -> dict[str, Tensor]:
    width, near, far = options.num_features, f"{source}.local_interaction", f"{source}.nonlocal_interaction"
    count, weighted = options.num_basis_functions, options.exp_weighting
    radial = [weights.take(f"{near}.radial_{kind}.weight", width, count) for kind in "spd"]
    logarithms = weights.take("radial_basis_functions.logc", count)
    products = [weights.take(f"{near}.projection_{kind}.weight", 2 * width, width).T for kind in "pd"]
    found = {
        f"{target}radial": torch.stack([_convert_radial(matrix, logarithms, weighted) for matrix in radial]),
        f"{target}products": torch.stack(products),
        f"{target}features": weights.take(f"{far}.attention.omega", width, width),
    }
    for name, old in (("before", "residual_pre"), ("after", "residual_post")):
        found |= _convert_residuals(weights, [f"{source}.{old}.stack.0"], f"{target}{name}.", width)
    for name, olds in (
        ("sources", [f"{near}.resblock_{kind}" for kind in "xspd"]),
        ("combined", [f"{near}.resblock"]),
        ("attending", [f"{far}.resblock_{kind}" for kind in "qkv"]),
        ("output", [f"{source}.resblock"]),
    ):
        found |= _convert_networks(weights, olds, f"{target}{name}.", width)
    return found


def _convert_radial(matrix: Tensor, logarithms: Tensor, weighted: bool) -> Tensor:
    """Convert weights of radial functions, [features, K], to those of the functions here, [K or K + 1, features].

    The original counts the functions from the nucleus outwards. A factor x makes those of degree K - 1 multiples of
    those of degree K: ``x binom(K-1, v) x^(K-1-v) (1-x)^v = (K - v) / K  binom(K, v) x^(K-v) (1-x)^v``.

    Args:
        matrix: The weights.
        logarithms: ``log(binom(K-1, v))`` as the file rounds them; seven digits of them are 3e-6 eV/Angstrom.
        weighted: Whether the functions have the factor x.
    """
    count = matrix.shape[1]
    exact = torch.tensor([math.log(math.comb(count - 1, v)) for v in range(count)], dtype=matrix.dtype)
    scaled = (matrix * torch.exp(logarithms - exact)).T.flip(0)
    if not weighted:
        return scaled
    factors = torch.arange(1, count + 1, dtype=matrix.dtype) / count
    return torch.cat([torch.zeros_like(scaled[:1]), scaled * factors[:, None]])


def _convert_networks(
    weights: Weights, sources: Sequence[str], target: str, width: int, bias: bool = True
) -> dict[str, Tensor]:
    blocks = [f"{source}.residual.stack.0" for source in sources]
    found = _convert_residuals(weights, blocks, f"{target}block.", width, bias)
    return found | _convert_layer(weights, sources, f"{target}last.", width, bias)


def _convert_residuals(
    weights: Weights, sources: Sequence[str], target: str, width: int, bias: bool = True
) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name, number in STAGES:
        found |= _convert_layer(weights, sources, f"{target}{name}.", width, bias, number)
    return found


def _convert_layer(
    weights: Weights, sources: Sequence[str], target: str, width: int, bias: bool, number: str = ""
) -> dict[str, Tensor]:
    """Join an activation and a linear map of each of several networks."""
    found = {
        f"{target}{name}": torch.cat([weights.take(f"{s}.activation{number}.{name}", width) for s in sources])
        for name in ("alpha", "beta")
    }
    maps = [weights.take(f"{source}.linear{number}.weight", width, width).T for source in sources]
    found[f"{target}weight"] = torch.stack(maps)
    if bias:
        found[f"{target}bias"] = torch.cat([weights.take(f"{s}.linear{number}.bias", width) for s in sources])
    return found


def _fill_readout(network: nn.Module, weight: Tensor, biases: Tensor) -> None:
    """Make a network linear in its first output, and zero in the others, by ``silu(y) - silu(-y) = y``.

    Args:
        network: An :class:`ElementNetwork` with one hidden layer of two units.
        weight: Weights of the linear map, the same for all elements.
        biases: Of each element.
    """
    for parameter in network.parameters():
        parameter.zero_()
    network.get_parameter("layers.0.weight").copy_(torch.stack([weight, -weight], dim=1))
    network.get_parameter("layers.2.weight")[:, :, 0] = torch.tensor([1.0, -1.0])
    network.get_parameter("layers.2.bias")[:, 0, 0] = biases
