"""Models: a representation, readouts and physics terms under one specification, and the files they live in."""

from atnn.model.checks import check_structures
from atnn.model.files import load_model, save_model
from atnn.model.inputs import Inputs, group_elements
from atnn.model.model import Model
from atnn.model.potential import ModelPotential, Potential
from atnn.model.presets import PRESETS
from atnn.model.registry import REPRESENTATIONS, TERMS, ModelSpecification

__all__ = [
    "PRESETS",
    "REPRESENTATIONS",
    "TERMS",
    "Inputs",
    "Model",
    "ModelPotential",
    "ModelSpecification",
    "Potential",
    "check_structures",
    "group_elements",
    "load_model",
    "save_model",
]
