"""A model is a representation and parts under one specification, here built, evaluated, compiled and saved."""

from atnn.model.composed import Composed
from atnn.model.files import hash_model, load_model, save_model
from atnn.model.inputs import Inputs, bring_home, group_elements
from atnn.model.model import Model
from atnn.model.potential import Identified, ModelPotential, Potential
from atnn.model.presets import PRESETS
from atnn.model.registry import CHARGES, OUTPUTS, REPRESENTATIONS, TERMS, ModelSpecification

__all__ = [
    "CHARGES",
    "OUTPUTS",
    "PRESETS",
    "REPRESENTATIONS",
    "TERMS",
    "Composed",
    "Identified",
    "Inputs",
    "Model",
    "ModelPotential",
    "ModelSpecification",
    "Potential",
    "bring_home",
    "group_elements",
    "hash_model",
    "load_model",
    "save_model",
]
