"""Functions on the sphere and how they couple under rotations."""

from atnn.so3.couplings import couplings
from atnn.so3.harmonics import solid_harmonics, spherical_harmonics

__all__ = ["couplings", "solid_harmonics", "spherical_harmonics"]
