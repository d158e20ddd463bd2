"""Cutoff functions and networks that representations and readouts are made of."""

from atnn.functions.cutoffs import cosine_squared, polynomial
from atnn.functions.networks import ElementNetwork

__all__ = ["ElementNetwork", "cosine_squared", "polynomial"]
