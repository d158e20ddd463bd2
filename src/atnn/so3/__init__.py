"""Spherical harmonics and the coupling of spherical tensors."""

from atnn.so3.couplings import couplings
from atnn.so3.harmonics import solid_harmonics, spherical_harmonics

__all__ = ["couplings", "solid_harmonics", "spherical_harmonics"]
