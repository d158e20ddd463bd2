"""Atom-centered symmetry functions: fixed radial and angular functions of the neighbors.

J. Behler, J. Chem. Phys. 2011, 134, 074106, doi:10.1063/1.3553717; weighted by the atomic numbers: M. Gastegger et al.,
J. Chem. Phys. 2018, 148, 241709, doi:10.1063/1.5019667.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn

from atnn.errors import SpecificationError
from atnn.functions import Species
from atnn.kernels import moments, triples
from atnn.kernels.moments import WIDTHS
from atnn.representations.specification import RepresentationSpecification
from atnn.representations.symmetry_functions import (
    AngularFunction,
    RadialFunction,
    angular_squares,
    centered,
    envelope,
    gaussians,
    radial_squares,
    shifted,
    triple_functions,
)
from atnn.structures import HIGHEST, Edges, Elements, Features, Structures

MOST = 256  # functions chosen by a number
LARGEST_ZETA = 128
SMALLEST = 1e-8  # root mean square of a function that is told from zero


class ACSFSpecification(RepresentationSpecification):
    """What defines a set of symmetry functions: two numbers, or lists of all functions."""

    name: Literal["acsf"] = "acsf"
    cutoff: float = Field(5.0, gt=0, description="cutoff radius [Angstrom]")
    envelope: Literal["cosine_squared", "cosine"] = Field("cosine_squared", description="cutoff function")
    radial: int | tuple[RadialFunction, ...] = Field(
        16, description="radial functions: how many, or (eta, shift) of each"
    )
    grid: Literal["shifted", "centered"] = Field("shifted", description="how that many are chosen")
    closest: float = Field(
        0.8, ge=0, description="distance that no neighbor comes below; shifts begin there [Angstrom]"
    )
    angular: int | tuple[AngularFunction, ...] = Field(
        3, description="angular functions: how many eta, or (eta, zeta, lambda) of each"
    )
    zetas: tuple[int, ...] = Field((1, 2, 4), description="zeta that each of that many eta is combined with")
    lambdas: tuple[Literal[-1, 1], ...] = Field((-1, 1), description="lambda that it is combined with")
    reach: Literal["narrow", "wide", "both"] = Field("narrow", description="with the third distance, without, or both")
    weighted: bool = Field(False, description="weigh neighbors by atomic number instead of telling elements apart")

    @field_validator("radial", "angular")
    @classmethod
    def _number_or_functions(cls, value: int | tuple, info) -> int | tuple:
        least = 1 if info.field_name == "radial" else 0
        if not least <= (value if isinstance(value, int) else len(value)) <= MOST:
            raise ValueError(f"give {least} to {MOST} functions")
        if not isinstance(value, int):
            _check(value)
        return value

    @field_validator("zetas", "lambdas")
    @classmethod
    def _combinations(cls, value: tuple[int, ...], info) -> tuple[int, ...]:
        if not value:
            raise ValueError("give at least one; `angular: 0` leaves angular functions out")
        _check(value)
        for zeta in value if info.field_name == "zetas" else ():
            _check_zeta(zeta)
        return value

    @model_validator(mode="after")
    def _distances_fit(self) -> ACSFSpecification:
        if self.closest >= self.cutoff:
            raise ValueError(f"`closest` = {self.closest} must be smaller than `cutoff` = {self.cutoff}")
        far = [function.shift for function in self.radial_functions() if not function.shift < self.cutoff]
        if far:
            raise ValueError(f"`radial`: the shift {far[0]} must be smaller than `cutoff` = {self.cutoff}")
        return self

    def radial_functions(self) -> tuple[RadialFunction, ...]:
        """The radial functions in the order of the features."""
        if not isinstance(self.radial, int):
            return self.radial
        return (
            shifted(self.radial, self.closest, self.cutoff)
            if self.grid == "shifted"
            else centered(self.radial, self.cutoff)
        )

    def angular_functions(self) -> tuple[AngularFunction, ...]:
        """The angular functions of each reach; the features have them by ascending eta."""
        if not isinstance(self.angular, int):
            return self.angular
        etas = [function.eta for function in centered(self.angular, self.cutoff)]
        return tuple(AngularFunction(eta, z, sign) for eta in etas for z in self.zetas for sign in self.lambdas)

    def build(self, species: Species, conditions: Collection[str] = ()) -> ACSF:
        """The representation."""
        return ACSF(self, species)


def _check(values: Sequence) -> None:
    """Refuses numbers that define no function, and what is given twice."""
    twice = [value for place, value in enumerate(values) if value in values[:place]]
    if twice:
        raise ValueError(f"{twice[0]} is given twice")
    for value in values:
        if isinstance(value, RadialFunction) and not (0 < value.eta < math.inf and value.shift >= 0):
            raise ValueError(f"eta must be positive and the shift not negative, unlike {value}")
        if isinstance(value, AngularFunction):
            if not 0 <= value.eta < math.inf:
                raise ValueError(f"eta must not be negative, unlike {value}")
            _check_zeta(value.zeta)


def _check_zeta(zeta: int) -> None:
    # Powers that are not whole numbers have no second derivative at straight angles.
    if not 1 <= zeta <= LARGEST_ZETA:
        raise ValueError(f"zeta must be a whole number from 1 to {LARGEST_ZETA}, not {zeta}")


def _refuse_zero(field: str, functions: Sequence, squares: Tensor, spec: ACSFSpecification) -> None:
    """Refuses functions that are zero wherever a neighbor may be, and could not be given a size."""
    for function, square in zip(functions, squares.tolist(), strict=True):
        if square < SMALLEST**2:
            raise SpecificationError(
                f"`{field}`: {function} vanishes for all neighbors from {spec.closest} to {spec.cutoff} Angstrom",
                remedy="give a smaller eta or another shift",
            )


class ACSF(nn.Module):
    """Symmetry functions of every atom, each in units of its expected spread.

        G2_i^a  = sum_{j in a} exp(-eta (r_ij - r_s)^2) f_c(r_ij)
        G4_i^ab = 2^(1 - zeta) sum_{j < k in a, b} (1 + lambda cos theta_jik)^zeta
                  exp(-eta (r_ij^2 + r_ik^2 + r_jk^2)) f_c(r_ij) f_c(r_ik) f_c(r_jk)

    for every element a and unordered pair a, b of elements. Wide functions (G5) leave out the factors of r_jk. Weighted
    ones sum over neighbors of all elements, with the weights Z_j and Z_j Z_k.

    Behler's ``f_c = (cos(pi r / r_c) + 1) / 2`` has a jump of curvature at the cutoff, an error of vibrations and of
    the conserved energy in dynamics. By default its square is taken, of which three derivatives vanish there.

    The sums differ by orders of magnitude, and a network would not see the small ones. Therefore each is divided by its
    standard deviation for ``neighbor_count`` neighbors that are spread evenly and independently.

    Args:
        specification: Cutoff and functions.
        species: The elements.

    Raises:
        SpecificationError: A function that vanishes at all distances.
    """

    neighbor_count: Tensor
    radial: Tensor
    etas: Tensor
    marks: Tensor
    radial_squares: Tensor
    angular_squares: Tensor

    def __init__(self, specification: ACSFSpecification, species: Species):
        super().__init__()
        spec = self.specification = specification
        self.cutoff, count = spec.cutoff, len(species.numbers)
        self.kinds = 1 if spec.weighted else count
        narrow = {"narrow": (True,), "wide": (False,), "both": (True, False)}[spec.reach]
        radial = spec.radial_functions()
        self.functions = triple_functions(spec.angular_functions(), narrow, self.kinds, spec.cutoff, spec.envelope)
        charges = torch.tensor(species.numbers, dtype=torch.float64)
        width = min([w for w in WIDTHS if w >= self.kinds], default=self.kinds)
        # What a neighbor of each element counts in the sum of each kind; the kernel wants more kinds, which stay empty.
        self._constant("marks", charges[:, None] if spec.weighted else torch.eye(count, width, dtype=torch.float64))
        self._constant("radial", torch.tensor(radial, dtype=torch.float64).T)
        self._constant("etas", torch.tensor(self.functions.etas, dtype=torch.float64))
        weight = float((charges**2).mean()) if spec.weighted else 1.0
        one = radial_squares(radial, spec.closest, spec.cutoff, spec.envelope)
        two = angular_squares(self.functions, spec.closest, spec.envelope)
        _refuse_zero("radial", radial, one, spec)
        angular = [(self.functions.etas[w], zeta, sign) for w, zeta, sign in self.functions.functions]
        _refuse_zero("angular", angular, two[0], spec)
        self._constant("radial_squares", weight * one)
        self._constant("angular_squares", weight**2 * two)
        self.register_buffer("neighbor_count", torch.tensor(10.0))
        rows = self.kinds * (self.kinds + 1) // 2
        self.channels = (self.kinds * len(radial) + rows * len(self.functions.functions),)

    def _constant(self, name: str, value: Tensor) -> None:
        # It follows from the specification, so that files need not hold it.
        self.register_buffer(name, value.to(torch.get_default_dtype()), persistent=False)

    def forward(self, structures: Structures, edges: Edges, elements: Elements, degree: int = HIGHEST) -> Features:
        """The functions, in units of their expected spread, as invariants."""
        radial, angular = self.sums(edges, elements)
        n, (pairs, mutual) = self.neighbor_count, self.angular_squares
        radial = radial * torch.rsqrt(n * self.radial_squares)
        angular = angular * torch.rsqrt(n * n * (0.5 * pairs + n * mutual))
        return Features((torch.cat([radial.flatten(1), angular.flatten(1)], dim=1)[:, None],))

    def sums(
        self, edges: Edges, elements: Elements
    ) -> tuple[Float[Tensor, "atoms kinds radial"], Float[Tensor, "atoms kind_pairs angular"]]:
        """The functions as published, without units.

        Returns:
            G2 of every element in the order of the model's table; G4 and after it G5 of every pair of elements, in the
            order (1, 1), (1, 2), (2, 2), (1, 3), ...
        """
        cut = envelope(edges.lengths, self.cutoff, self.specification.envelope)[:, None]
        kind, lengths = elements.row.index_select(0, edges.j), edges.lengths[:, None]
        marks, (eta, shift) = self.marks.index_select(0, kind), self.radial
        radial = moments(marks, cut * gaussians(eta * (lengths - shift) ** 2), edges.i, edges.offsets)
        parts = cut * gaussians(self.etas * lengths**2)
        if self.specification.weighted:
            parts, kind = parts * marks, torch.zeros_like(kind)
        angular = triples(edges.vectors / lengths, edges.lengths, parts, kind, edges.offsets, self.functions)
        return radial[:, : self.kinds], angular
