"""Cutoff functions and networks that representations and readouts are made of."""

from atnn.functions.cutoffs import polynomial
from atnn.functions.networks import ElementNetwork

__all__ = ["ElementNetwork", "polynomial"]
