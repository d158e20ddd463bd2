"""Cutoff functions and networks that representations and readouts are made of."""

from atnn.functions.activations import Activation
from atnn.functions.cutoffs import polynomial
from atnn.functions.networks import ElementNetwork
from atnn.functions.species import PerElement, Species, electron_shells

__all__ = ["Activation", "ElementNetwork", "PerElement", "Species", "electron_shells", "polynomial"]
