"""Components that a user would write, outside the package: a readout, a physics term, a part that sees a field."""

import math
from typing import Literal

import torch
from pydantic import Field

from atnn.functions import polynomial
from atnn.kernels import sum_centers
from atnn.parts import Part
from atnn.quantities import Derivative, Quantity
from atnn.specification import Specification
from atnn.units import CHARGE, ENERGY, LENGTH, angstrom3_polarizability

POLARIZABILITY = Quantity(
    "polarizability",
    axis="structure",
    shape=(3, 3),
    dimension=(CHARGE * LENGTH) ** 2 / ENERGY,
    extensive=True,
    rank=2,
    parity=1,
    symmetric=True,
    derivative=Derivative("dipole", "field"),
    keys=("alpha",),
    display=("Angstrom^3", 1 / angstrom3_polarizability),
)


class Polarizability(Part):
    """``alpha = sum_i (a_i 1 + sum_k b_ik T_i^k)`` with the traceless tensors T of the features of degree 2."""

    gives = frozenset({"polarizability"})
    degree = 2

    def __init__(self, design):
        super().__init__()
        self.network = design.network(1 + design.width(2), scale=0.1)

    def forward(self, scene, values):
        invariants, _, tensors = scene.features.nodes[:3]
        weights = self.network(invariants.squeeze(1), scene.elements)
        harmonics = (tensors * weights[:, None, 1:]).sum(2)
        atoms = weights[:, :1, None] * torch.eye(3).to(weights) + traceless(harmonics)
        return {"polarizability": scene.sum_structures(atoms)}


def traceless(harmonics):
    """Symmetric traceless matrices [..., 3, 3] of the harmonics x2-y2, xy, xz, yz, z2 [..., 5]."""
    a, b, c, d, e = (harmonics / math.sqrt(3)).unbind(-1)
    e = e / math.sqrt(3)
    rows = [[a - e, b, c], [b, -a - e, d], [c, d, 2 * e]]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


class SpringsSpecification(Specification):
    """Springs between all atoms that are close."""

    name: Literal["springs"] = "springs"
    stiffness: float = Field(0.5, gt=0, description="force constant [eV/Angstrom^2]")

    def parts(self, design):
        return {self.name: Springs(self)}


class Springs(Part):
    """``E_i = k / 4 sum_j f(r_ij / r_c) (r_ij - 1)^2``."""

    gives = frozenset({"atomic_energies"})
    cutoff = 3.5

    def __init__(self, specification):
        super().__init__()
        self.stiffness = specification.stiffness

    def forward(self, scene, values):
        edges = scene.edges
        energies = 0.25 * self.stiffness * (edges.lengths - 1.0) ** 2 * polynomial(edges.lengths / self.cutoff)
        return {"atomic_energies": sum_centers(energies[:, None], edges.i, edges.offsets)[:, 0].double()}


class InFieldSpecification(Specification):
    """Charges in an electric field."""

    name: Literal["in_field"] = "in_field"
    response: float = Field(0.2, gt=0, description="polarizability of every atom [e^2 Angstrom^2/eV]")

    def parts(self, design):
        return {self.name: InField(self)}


class InField(Part):
    """``E_i = -q_i r_i . F - a F^2 / 2``, with no dipole of its own: the dipole is a derivative."""

    needs = frozenset({"charges"})
    gives = frozenset({"atomic_energies"})
    conditions = frozenset({"field"})

    def __init__(self, specification):
        super().__init__()
        self.response = specification.response

    def forward(self, scene, values):
        structures = scene.structures
        field = structures.applied_field.index_select(0, structures.batch)
        linear = values["charges"] * (structures.positions * field).sum(1)
        return {"atomic_energies": -(linear + 0.5 * self.response * field.square().sum(1)).double()}
