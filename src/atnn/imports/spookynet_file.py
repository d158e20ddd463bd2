"""Files in which the published code of SpookyNet saves a model: its options and its weights by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from atnn.errors import ModelFileError, SpecificationError
from atnn.imports.checkpoints import load_data
from atnn.specification import Specification, parse

SHOWN = 4  # names of each kind in an error
REMEDY = "give a file that `SpookyNet.save` of github.com/OUnke/SpookyNet wrote, version 1.0"


class Options(Specification):
    """Options of the published code; those with one value have no other that this package can represent."""

    activation: Literal["swish"]
    basis_functions: Literal["exp-bernstein"]
    use_irreps: Literal[True]
    use_nonlinear_embedding: Literal[False]
    lr_cutoff: None
    num_residual_electron: Literal[1]
    num_residual_pre: Literal[1]
    num_residual_local_x: Literal[1]
    num_residual_local_s: Literal[1]
    num_residual_local_p: Literal[1]
    num_residual_local_d: Literal[1]
    num_residual_local: Literal[1]
    num_residual_nonlocal_q: Literal[1]
    num_residual_nonlocal_k: Literal[1]
    num_residual_nonlocal_v: Literal[1]
    num_residual_post: Literal[1]
    num_residual_output: Literal[1]
    num_features: int = Field(ge=16, le=512, multiple_of=16)
    num_basis_functions: int = Field(ge=2, le=63)
    num_modules: int = Field(ge=1, le=16)
    exp_weighting: bool
    cutoff: float = Field(gt=0, le=100)
    use_zbl_repulsion: bool
    use_electrostatics: bool
    use_d4_dispersion: bool
    compute_d4_atomic: bool  # gives further outputs, and changes none
    module_keep_prob: float  # acts in training only
    Zmax: Literal[87]  # the tables of electrons have so many rows, and elements are those below


class Weights:
    """The weights of a file, which are taken one by one, so that none may be missing or left over.

    Args:
        tensors: Tensors by name.
        path: Their file.
    """

    def __init__(self, tensors: Mapping[str, Any], path: Path):
        self.tensors, self.path = tensors, path
        self.taken: set[str] = set()
        self.missing: list[str] = []
        self.unfit: list[str] = []

    def take(self, name: str, *shape: int) -> Tensor:
        """Take a tensor, in float64; zeros where it does not fit, which :meth:`check` reports."""
        self.taken.add(name)
        found = self.tensors.get(name)
        if not isinstance(found, Tensor):
            self.missing.append(name)
        elif tuple(found.shape) != shape:
            self.unfit.append(f"{name} {tuple(found.shape)} instead of {shape}")
        elif not bool(torch.isfinite(found).all()):
            self.unfit.append(f"{name} with NaN or infinite numbers")
        else:
            return found.double()
        return torch.zeros(shape, dtype=torch.float64)

    def leave(self, *prefixes: str) -> None:
        """Leave out the constants whose names begin so. Parameters of the published code do not."""
        self.taken.update(name for name in self.tensors if name.startswith(prefixes))

    def check(self) -> None:
        """Refuse weights that were missing or of another shape, and those that were not taken.

        Raises:
            ModelFileError: There are such weights; it names them.
        """
        unexpected = sorted(self.tensors.keys() - self.taken)
        kinds = {"missing": self.missing, "unexpected": unexpected, "unfit": self.unfit}
        problems = [f"{kind} {_list(names)}" for kind, names in kinds.items() if names]
        if problems:
            raise ModelFileError(
                f"the weights do not fit the options: {'; '.join(problems)}", where=str(self.path), remedy=REMEDY
            )


class SpookyNetFile(NamedTuple):
    """What a file holds."""

    options: Options
    weights: Weights


def read_file(path: Path) -> SpookyNetFile:
    """Read a file without running code in it.

    Raises:
        DataError: The file cannot be read.
        ModelFileError: It is no such file, or its options cannot be represented.
    """
    content = load_data(path, REMEDY)
    tensors = content.pop("state_dict", None) if isinstance(content, dict) else None
    if not isinstance(tensors, Mapping):
        raise ModelFileError("holds no options with a `state_dict`", where=str(path), remedy=REMEDY)
    try:
        options = parse(Options, content)
    except SpecificationError as error:
        raise ModelFileError(
            f"a SpookyNet that cannot be represented: {error.what}",
            where=str(path),
            remedy="import a model with the options of the published one, of any size",
        ) from error
    return SpookyNetFile(options, Weights(tensors, path))


def _list(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
