"""Spherical harmonics and the coupling of spherical tensors."""

from atnn.so3.blocks import coupling, join_block, split_block, turning_matrices
from atnn.so3.couplings import couplings
from atnn.so3.harmonics import solid_harmonics, spherical_harmonics

__all__ = [
    "coupling",
    "couplings",
    "join_block",
    "solid_harmonics",
    "spherical_harmonics",
    "split_block",
    "turning_matrices",
]
