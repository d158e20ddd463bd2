"""Model files are safetensors whose metadata hold the specification as JSON. Loading them runs no code."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from atnn.archives import hash_tensor
from atnn.errors import ModelFileError
from atnn.files import write_atomically
from atnn.model.model import Model
from atnn.model.registry import ModelSpecification
from atnn.specification import parse

FORMAT, VERSION = "atnn-model", 3
UNITS = {"energy": "eV", "length": "Angstrom", "charge": "e", "dipole": "e*Angstrom", "stress": "eV/Angstrom^3"}


def save_model(path: str | Path, model: Model) -> None:
    """Write a model atomically, with everything that is needed to use it and to trust it.

    Args:
        path: File to write; the usual suffix is ``.atnn``.
        model: The model; its ``provenance`` must consist of JSON values.
    """
    header = {
        "format": FORMAT,
        "version": VERSION,
        "specification": model.specification.model_dump(mode="json"),
        "reference_energies": {str(z): energy for z, energy in model.reference_energies.items()},
        "units": UNITS,
        "dtype": str(model.dtype).removeprefix("torch."),
        "provenance": model.provenance,
    }
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    write_atomically(Path(path), save(weights, metadata={"atnn": json.dumps(header)}))


def hash_model(model: Model) -> str:
    """Hash of all that the predictions of a model depend on: specification, reference energies and weights.

    It takes a millisecond for a million weights, and is the same after saving and loading.
    """
    weights = {name: hash_tensor(tensor) for name, tensor in model.state_dict().items()}
    content = [model.specification.model_dump(mode="json"), model.reference_energies, weights]
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).hexdigest()


def load_model(path: str | Path) -> Model:
    """Load the model of a file in the floating-point type in which it was saved.

    Raises:
        ModelFileError: The file is missing, truncated, of another kind, newer than this version of atnn, or its
            weights do not fit its specification.
    """
    path = Path(path)
    header, weights = _read(path)
    specification = parse(ModelSpecification, header["specification"], where=str(path))
    energies = {int(z): float(energy) for z, energy in header["reference_energies"].items()}
    model = Model(specification, energies)
    model.provenance = header["provenance"]
    model.to(getattr(torch, header["dtype"]))
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise ModelFileError(
            f"the weights do not fit the specification: {error}", where=str(path), remedy="use an intact copy"
        ) from error
    return model.eval()


def _read(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    remedy = "give an intact model file written by atnn train or save_model"
    if not path.is_file():
        raise ModelFileError("no such model file", where=str(path), remedy=remedy)
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("atnn", "{}"))
            if header.get("format") != FORMAT:
                raise ModelFileError("not an atnn model file", where=str(path), remedy=remedy)
            if header["version"] > VERSION:
                raise ModelFileError(
                    f"model format {header['version']} is newer than {VERSION}, the newest that this atnn can read",
                    where=str(path),
                    remedy="update atnn",
                )
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if header["version"] < 2:
                weights = _convert_version_1(weights)
            return header, weights if header["version"] > 2 else _convert_version_2(weights, header["specification"])
    except (SafetensorError, json.JSONDecodeError, KeyError) as error:
        raise ModelFileError(f"truncated or corrupted: {error}", where=str(path), remedy=remedy) from error


def _convert_version_1(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """In version 1, parameters of the elements had no ``table``, and those of the Gaussians were two tensors."""
    weights = dict(weights)
    weights["representation.coefficients.table"] = weights.pop("representation.coefficients")
    gaussians = [weights.pop(f"representation.radial.{name}") for name in ("centers", "widths")]
    return weights | {"representation.radial.gaussians.table": torch.cat(gaussians, dim=1)}


def _convert_version_2(weights: dict[str, torch.Tensor], specification: dict[str, Any]) -> dict[str, torch.Tensor]:
    """In version 2, readouts held their source of charges, and terms had numbers. Both are parts with names now."""
    terms = [term["name"] for term in specification["terms"]]
    source = specification.get("charges", {}).get("name", "network")

    def rename(name: str) -> str:
        kind, _, rest = name.partition(".")
        owner, _, own = rest.partition(".")
        if kind == "terms":
            return f"parts.{terms[int(owner)]}.{own}"
        if kind != "readouts":
            return name
        return f"parts.{source}.{own.removeprefix('source.')}" if own.startswith("source.") else f"parts.{owner}.{own}"

    return {rename(name): tensor for name, tensor in weights.items()}
