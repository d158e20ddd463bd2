"""Transition dipoles, which are defined up to their sign."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from atnn.parts import Design, Part, Scene, Statistics, Values
from atnn.quantities import quantity
from atnn.readouts.cartesian import CartesianTensors

SMALLEST = 1e-5  # of the squared size of the labels: below it a dipole and the slope of the root are rounded
NARROWEST = 1e-3  # gap of two eigenvalues, likewise, below which the slope of the eigenvector is rounded


class TransitionDipole(Part):
    """The vector d whose outer product ``d d`` is nearest to a symmetric tensor D, a sum over the atoms.

        D = sum_i D_i,   D e = lambda e,   d = sqrt(lambda) e,   lambda the largest eigenvalue

    The tensor does not depend on the sign of d, so it is a smooth function of the positions that turns with the
    molecule and follows mirror images. A vector is not: in a planar molecule all vectors of the features lie in the
    plane, and their cross products, which are normal to it, vanish where a second mirror plane exists. The sign of d
    has no meaning. Where the largest eigenvalues are equal, as in CH4, neither has the direction.

    Args:
        design: Elements and sizes.
        name: Row of the table.
    """

    degree = 2

    def __init__(self, design: Design, name: str):
        super().__init__()
        self.name, self.gives = name, frozenset({name})
        row = replace(quantity(name), shape=(3, 3), rank=2, parity=1, symmetric=True)
        self.tensors = CartesianTensors(design, row)

    def start(self, statistics: Statistics, scene: Scene, values: Values) -> None:
        """Start from the size of the labels."""
        self.tensors.start(statistics, scene)

    def forward(self, scene: Scene, values: Values) -> dict[str, Tensor]:
        """The transition dipole [structures, 3] in e Angstrom."""
        scale = self.tensors.scale
        return {self.name: scale * find_principal_vectors(scene.sum_structures(self.tensors(scene)) / scale)}


def find_principal_vectors(matrices: Float[Tensor, "structures 3 3"]) -> Float[Tensor, "structures 3"]:
    """Find ``sqrt(lambda) e`` for the largest eigenvalue of each symmetric matrix, with its first derivative.

    The derivative is that of perturbation theory. It is bounded where eigenvalues cross and where the root vanishes.
    """
    with torch.no_grad():
        values, vectors = torch.linalg.eigh(matrices.double())
        values, vectors = values.to(matrices.dtype), vectors.to(matrices.dtype)
        # Signs by a rule, so that a structure has the same in any batch.
        x, y, z = vectors.unbind(1)
        vectors = torch.where(x + 0.7 * y + 0.3 * z < 0, -1.0, 1.0)[:, None] * vectors
    largest, principal = values[:, 2], vectors[:, :, 2]
    width = torch.sqrt(largest * largest + SMALLEST * SMALLEST)
    size = torch.sqrt(0.5 * (largest + width))
    slope = 0.5 * size / width
    change = torch.einsum("sxk,sxy,sy->sk", vectors, matrices - matrices.detach(), principal)
    gaps = largest[:, None] - values[:, :2]
    turns = size[:, None] * gaps / (gaps * gaps + NARROWEST * NARROWEST) * change[:, :2]
    turned = torch.einsum("sxk,sk->sx", vectors[:, :, :2], turns)
    return principal * (size + slope * change[:, 2])[:, None] + turned


def make_transition_dipole(name: str) -> Callable[[Design], dict[str, Part]]:
    """Make the entry of the outputs of a model for a transition dipole."""
    return lambda design: {name: TransitionDipole(design, name)}
