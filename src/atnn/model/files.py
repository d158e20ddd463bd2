"""Model files are sealed safetensors whose header holds the specification as JSON. Loading them runs no code."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from pydantic_core import to_jsonable_python
from torch import Tensor

from atnn.archives import Archive, encode, hash_tensor
from atnn.errors import AtnnError, ModelFileError, SpecificationError
from atnn.files import write_atomically
from atnn.model.model import Model
from atnn.model.registry import ModelSpecification
from atnn.specification import Specification, parse

FORMAT, VERSION = "atnn-model", 4
SEALED = 4  # first version whose files carry hashes
REMEDY = "give an intact model file written by atnn train or save_model"


class Header(Specification):
    """What a model file says of itself; units are always those of the package."""

    format: str
    version: int
    specification: dict[str, Any]
    reference_energies: dict[int, Annotated[float, Field(strict=True, allow_inf_nan=False)]]
    dtype: Literal["float16", "bfloat16", "float32", "float64"]
    provenance: dict[str, Any]


def save_model(path: str | Path, model: Model) -> None:
    """Write a model atomically, with everything that is needed to use it and to trust it.

    Args:
        path: File to write; the usual suffix is ``.atnn``.
        model: The model; its ``provenance`` must consist of JSON values.

    Raises:
        ModelFileError: A weight or a reference energy is NaN or infinite.
        DataError: The file cannot be written.
    """
    header = {
        "format": FORMAT,
        "version": VERSION,
        "specification": model.specification.model_dump(mode="json"),
        "reference_energies": _check_energies(model.reference_energies, Path(path)),
        "dtype": str(model.dtype).removeprefix("torch."),
        "provenance": model.provenance,
    }
    weights = _check_weights(model.state_dict(), Path(path))
    write_atomically(Path(path), encode(header, weights))


def hash_model(model: Model) -> str:
    """Hash of all that the predictions of a model depend on: specification, reference energies and weights.

    It is the same after saving and loading. Keys of the specification that have their defaults are not part of it, so
    that new keys leave the hashes of old models as they are.
    """
    weights = {name: hash_tensor(tensor) for name, tensor in model.state_dict().items()}
    content = [_list_given(model.specification), model.reference_energies, weights]
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).hexdigest()


def _list_given(value: Any) -> Any:
    """List the names of components and the keys that do not have their defaults, as JSON."""
    if isinstance(value, Specification):
        defaults = {
            name: field.get_default(call_default_factory=True) for name, field in type(value).model_fields.items()
        }
        kept = [name for name, default in defaults.items() if name == "name" or getattr(value, name) != default]
        return {name: _list_given(getattr(value, name)) for name in kept}
    if isinstance(value, list | tuple):
        return [_list_given(item) for item in value]
    return to_jsonable_python(value)


def load_model(path: str | Path) -> Model:
    """Load the model of a file in the floating-point type in which it was saved.

    Raises:
        ModelFileError: The file is missing, truncated, changed since it was written, of another kind, newer than this
            version of atnn, its weights do not fit its specification, or one is NaN or infinite.
        SpecificationError: The specification names components that this atnn does not have.
    """
    path = Path(path)
    archive = Archive(path, FORMAT, VERSION, SEALED, ModelFileError, REMEDY)
    header = _read_header(archive)
    specification = parse(ModelSpecification, header.specification, where=str(path))
    if set(header.reference_energies) != set(specification.elements):
        raise archive.damaged("the reference energies are not those of the elements")
    weights = _check_weights(_read_weights(archive, header.version, specification), path)
    try:
        model = Model(specification, header.reference_energies)
    except AtnnError as error:
        raise type(error)(error.what, where=f"{path}, {error.where}".rstrip(", "), remedy=error.remedy) from error
    model.provenance = header.provenance
    model.to(getattr(torch, header.dtype))
    _fill(model, weights, archive)
    return model.eval()


def _read_header(archive: Archive) -> Header:
    content = dict(archive.header)
    if archive.header["version"] < SEALED:
        content.pop("units", None)  # always those of the package
    try:
        return parse(Header, content)
    except SpecificationError as error:
        raise archive.damaged(f"header: {error.what}") from error


def _read_weights(archive: Archive, version: int, specification: ModelSpecification) -> dict[str, Tensor]:
    """Read the weights under the names that they have today."""
    weights = archive.tensors()
    try:
        if version < 2:
            weights = _convert_version_1(weights)
        return weights if version > 2 else _convert_version_2(weights, specification)
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        raise archive.damaged(f"the weights do not fit the specification: {error}") from error


def _fill(model: Model, weights: dict[str, Tensor], archive: Archive) -> None:
    """Give a model its weights, none of which may be missing, left over, or of another shape or type."""
    expected = model.state_dict()
    for name in sorted(expected.keys() | weights.keys()):
        found, wanted = (tensors.get(name) for tensors in (weights, expected))
        if found is None or wanted is None or (found.shape, found.dtype) != (wanted.shape, wanted.dtype):
            words = "is missing" if found is None else f"{tuple(found.shape)} of {found.dtype} does not fit"
            raise archive.damaged(f"the weights do not fit the specification: {name} {words}")
    model.load_state_dict(weights)


def _check_weights(weights: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    broken = [name for name, tensor in weights.items() if not bool(torch.isfinite(tensor).all())]
    if broken:
        raise ModelFileError(
            f"{len(broken)} of {len(weights)} tensors of weights hold NaN or infinite numbers, first {broken[0]}",
            where=str(path),
            remedy="such a model predicts nothing; train again with a lower training.learning_rate",
        )
    return weights


def _check_energies(energies: dict[int, float], path: Path) -> dict[int, float]:
    broken = {z: energy for z, energy in energies.items() if not math.isfinite(energy)}
    if broken:
        raise ModelFileError(
            f"reference energies that are no numbers: {broken}",
            where=str(path),
            remedy="give the energies of the isolated atoms",
        )
    return energies


def _convert_version_1(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """In version 1, parameters of the elements had no ``table``, and those of the Gaussians were two tensors."""
    weights = dict(weights)
    weights["representation.coefficients.table"] = weights.pop("representation.coefficients")
    gaussians = [weights.pop(f"representation.radial.{name}") for name in ("centers", "widths")]
    return weights | {"representation.radial.gaussians.table": torch.cat(gaussians, dim=1)}


def _convert_version_2(weights: dict[str, Tensor], specification: ModelSpecification) -> dict[str, Tensor]:
    """In version 2, readouts held their source of charges, and terms had numbers. Both are parts with names now."""
    terms = [term.name for term in specification.terms]
    source = specification.charges.name

    def rename(name: str) -> str:
        kind, _, rest = name.partition(".")
        owner, _, own = rest.partition(".")
        if kind == "terms":
            return f"parts.{terms[int(owner)]}.{own}"
        if kind != "readouts":
            return name
        return f"parts.{source}.{own.removeprefix('source.')}" if own.startswith("source.") else f"parts.{owner}.{own}"

    return {rename(name): tensor for name, tensor in weights.items()}
