"""From quantum chemistry to spectra with atomistic neural networks.

Public names load their modules on first use, so that ``import atnn`` is fast.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Structures": "structures",
    "Labelled": "structures",
    "neighbor_pairs": "neighbors",
    "Model": "model",
    "ModelPotential": "model",
    "ModelSpecification": "model",
    "load_model": "model",
    "save_model": "model",
    "read": "reading",
    "open_dataset": "reading",
    "train": "training",
    "evaluate": "training",
    "load_config": "training",
    "Calculator": "interfaces.ase",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'atnn' has no attribute {name!r}")
    return getattr(import_module(f"atnn.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
