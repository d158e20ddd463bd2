"""Labels from trained models: a committee teaches one model, or a model of a cheap method a better one."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from atnn.errors import AtnnError, LabellingError
from atnn.labelling.protocol import Labels, label_shape
from atnn.model import ModelPotential, hash_model, load_model
from atnn.structures import Structures


@dataclass(frozen=True)
class ModelLabeller:
    """The mean of the predictions of models.

    Errors of models that differ in their seed are half independent, so that the mean is better than each of them. One
    model can learn from it, on any number of geometries (distillation, G. Hinton et al., arXiv:1503.02531).

    Args:
        paths: Files of the models.
        responses: Quantities to label beside energy, forces and, in crystals, stress.
    """

    paths: tuple[str, ...]
    responses: tuple[str, ...] = ()

    @property
    def settings(self) -> dict[str, str | int | float]:
        """The contents of the files, not their names.

        Raises:
            ModelFileError: A model cannot be loaded.
            LabellingError: No file is named, or a model does not give a quantity.
        """
        if not self.paths:
            raise LabellingError("no model is named", remedy="give the path of at least one")
        for path, (potential, _) in zip(self.paths, self._open(), strict=True):
            if missing := sorted({"energy", *self.responses} - potential.outputs):
                raise LabellingError(
                    f"the model gives no {', '.join(missing)}",
                    where=path,
                    remedy=f"it gives {', '.join(sorted(potential.outputs))}",
                )
        return {
            "program": "atnn",
            "version": importlib.metadata.version("atnn"),
            "method": "model" if len(self.paths) == 1 else f"mean of {len(self.paths)} models",
            "models": ",".join(sorted(name for _, name in self._open())),
            **({"responses": ",".join(sorted(self.responses))} if self.responses else {}),
        }

    def __call__(self, structure: Structures) -> Labels:
        """Labels of one structure.

        Raises:
            LabellingError: A model does not know an element, or ignores a charge, a spin or a field.
        """
        stress = ("stress",) if bool(structure.pbc.all()) else ()
        names = ("energy", "forces", *stress, *self.responses)
        found = [_predict(potential, structure, names) for potential, _ in self._open()]
        return {name: np.asarray(np.mean([each[name] for each in found], axis=0)) for name in names}

    def _open(self) -> list[tuple[ModelPotential, str]]:
        return [_load(path, _stamp(path)) for path in self.paths]


def _predict(potential: ModelPotential, structure: Structures, names: Sequence[str]) -> Labels:
    try:
        values = potential(structure, names)
    except AtnnError as error:
        raise LabellingError(error.what, where=error.where, remedy=error.remedy) from error
    return {name: value.double().cpu().numpy().reshape(label_shape(name, structure)) for name, value in values.items()}


def _stamp(path: str) -> tuple[int, int]:
    """Time and size of a file, so that a model that was trained again is loaded again."""
    try:
        found = Path(path).stat()
    except OSError:
        return 0, 0  # loading says what is wrong
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=16)
def _load(path: str, stamp: tuple[int, int]) -> tuple[ModelPotential, str]:
    model = load_model(path)
    return ModelPotential(model), hash_model(model)
