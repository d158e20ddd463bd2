"""Analytic potentials for vibrations, with exact derivatives."""

from __future__ import annotations

import math

import numpy as np
import torch
from ase import Atoms
from torch import Tensor
from torch.func import hessian, jacrev, vmap

from atnn.structures import Structures
from dynamics.analytic import WithoutMemory

LENGTH, ANGLE = 0.9575, math.radians(104.5)


class Bonds(WithoutMemory):
    """Bent molecule of a central atom and two others: Morse bonds, a quartic angle, charges and bond polarizabilities.

    All outputs are derivatives by torch, so that differences of the others have an exact counterpart.
    """

    every = frozenset(
        {"energy", "forces", "dipole", "polarizability", "hessian", "born_charges", "polarizability_gradients"}
    )

    def __init__(self, outputs=("energy", "forces"), depth: float = 5.2, width: float = 2.2, coupling: float = 0.0):
        self.outputs, self.depth, self.width = frozenset(outputs), depth, width
        self.coupling = coupling
        self.asked: list[tuple[str, ...]] = []

    def energy(self, positions: Tensor) -> Tensor:
        a, b = positions[1] - positions[0], positions[2] - positions[0]
        ra, rb = a.norm(), b.norm()
        bend = torch.arccos((a @ b / (ra * rb)).clamp(-1 + 1e-12, 1 - 1e-12)) - ANGLE
        ya, yb = 1 - torch.exp(-self.width * (ra - LENGTH)), 1 - torch.exp(-self.width * (rb - LENGTH))
        bonds = self.depth * (ya**2 + yb**2 - 0.012 * ya * yb)
        return bonds + 2.15 * bend**2 * (1 - 0.25 * bend) + (0.2 * bend + self.coupling * bend**2) * (ya + yb)

    def dipole(self, positions: Tensor) -> Tensor:
        a, b = positions[1] - positions[0], positions[2] - positions[0]
        return 0.3 * (a + b) + 0.1 * (a @ a * a + b @ b * b)

    def polarizability(self, positions: Tensor) -> Tensor:
        a, b = positions[1] - positions[0], positions[2] - positions[0]
        one = torch.eye(3, dtype=positions.dtype)
        return sum(0.1 * (r @ r) * one + 0.2 * torch.outer(r, r) for r in (a, b))

    def __call__(self, structures: Structures, outputs) -> dict[str, Tensor]:
        self.asked.append(tuple(outputs))
        x = structures.positions.double().reshape(len(structures), 3, 3)
        found = {
            "energy": lambda: vmap(self.energy)(x),
            "forces": lambda: -vmap(jacrev(self.energy))(x).reshape(-1, 3),
            "dipole": lambda: vmap(self.dipole)(x),
            "polarizability": lambda: vmap(self.polarizability)(x),
            "hessian": lambda: vmap(hessian(self.energy))(x).transpose(2, 3).reshape(-1, 3, 3),
            "born_charges": lambda: vmap(jacrev(self.dipole))(x).movedim(2, 1).reshape(-1, 3, 3),
            "polarizability_gradients": lambda: vmap(jacrev(self.polarizability))(x).movedim(3, 1).reshape(-1, 3, 3, 3),
        }
        return {name: found[name]() for name in outputs}


def bent(length: float = LENGTH, angle: float = ANGLE) -> Structures:
    """Water at the minimum of :class:`Bonds`, turned and shifted."""
    places = np.array([[0, 0, 0], [length, 0, 0], [length * np.cos(angle), length * np.sin(angle), 0]])
    atoms = Atoms("OH2", positions=places)
    atoms.rotate(40, (1, 2, 3))
    return Structures.from_ase(atoms)
