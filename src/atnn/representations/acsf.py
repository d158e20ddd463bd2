"""Atom-centered symmetry functions: fixed radial and angular functions of the neighbors.

J. Behler, J. Chem. Phys. 2011, 134, 074106, doi:10.1063/1.3553717; functions weighted by the atomic numbers:
M. Gastegger et al., J. Chem. Phys. 2018, 148, 241709, doi:10.1063/1.5019667.
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
    choose_centered_gaussians,
    choose_shifted_gaussians,
    collect_triples,
    envelope,
    gaussians,
    radial_squares,
)
from atnn.structures import HIGHEST, Edges, Elements, Features, Structures

MOST = 256  # largest number of functions
LARGEST_ZETA = 128
SMALLEST = 1e-8  # a function with a smaller root mean square counts as zero


class ACSFSpecification(RepresentationSpecification):
    """Settings of a set of symmetry functions, given by two numbers or by lists of all functions."""

    name: Literal["acsf"] = "acsf"
    cutoff: float = Field(5.0, gt=0, le=100, description="cutoff radius [Angstrom]")
    envelope: Literal["cosine_squared", "cosine"] = Field("cosine_squared", description="cutoff function")
    radial: int | tuple[RadialFunction, ...] = Field(
        16, description="radial functions: their number, or (eta, shift) of each"
    )
    grid: Literal["shifted", "centered"] = Field("shifted", description="how that number of functions is chosen")
    closest: float = Field(0.8, ge=0, description="smallest distance of a neighbor; shifts begin there [Angstrom]")
    angular: int | tuple[AngularFunction, ...] = Field(
        3, description="angular functions: number of etas, or (eta, zeta, lambda) of each"
    )
    zetas: tuple[int, ...] = Field(
        (1, 2, 4), max_length=16, description="zetas that each of these etas is combined with"
    )
    lambdas: tuple[Literal[-1, 1], ...] = Field((-1, 1), description="lambdas that each is combined with")
    reach: Literal["narrow", "wide", "both"] = Field(
        "narrow", description="angular functions with the distance r_jk (narrow), without it (wide), or both"
    )
    weighted: bool = Field(False, description="weight neighbors by atomic number instead of separating elements")

    @field_validator("radial", "angular")
    @classmethod
    def _check_number_of_functions(cls, value: int | tuple, info) -> int | tuple:
        least = 1 if info.field_name == "radial" else 0
        if not least <= (value if isinstance(value, int) else len(value)) <= MOST:
            raise ValueError(f"give {least} to {MOST} functions")
        if not isinstance(value, int):
            _check_functions(value)
        return value

    @field_validator("zetas", "lambdas")
    @classmethod
    def _check_combinations(cls, value: tuple[int, ...], info) -> tuple[int, ...]:
        if not value:
            raise ValueError("give at least one value; to leave angular functions out, set `angular: 0`")
        _check_functions(value)
        for zeta in value if info.field_name == "zetas" else ():
            _check_zeta(zeta)
        return value

    @model_validator(mode="after")
    def _check_distances(self) -> ACSFSpecification:
        if self.closest >= self.cutoff:
            raise ValueError(f"`closest` = {self.closest} must be smaller than `cutoff` = {self.cutoff}")
        far = [function.shift for function in self.radial_functions() if not function.shift < self.cutoff]
        if far:
            raise ValueError(f"`radial`: the shift {far[0]} must be smaller than `cutoff` = {self.cutoff}")
        return self

    def radial_functions(self) -> tuple[RadialFunction, ...]:
        """Return the radial functions in the order of the features."""
        if not isinstance(self.radial, int):
            return self.radial
        return (
            choose_shifted_gaussians(self.radial, self.closest, self.cutoff)
            if self.grid == "shifted"
            else choose_centered_gaussians(self.radial, self.cutoff)
        )

    def angular_functions(self) -> tuple[AngularFunction, ...]:
        """Return the angular functions of each reach; features are sorted by ascending eta."""
        if not isinstance(self.angular, int):
            return self.angular
        etas = [function.eta for function in choose_centered_gaussians(self.angular, self.cutoff)]
        return tuple(AngularFunction(eta, z, sign) for eta in etas for z in self.zetas for sign in self.lambdas)

    def build(self, species: Species, conditions: Collection[str] = ()) -> ACSF:
        """Build the representation."""
        return ACSF(self, species)


def _check_functions(values: Sequence) -> None:
    """Raise ValueError for invalid parameters and for values given twice."""
    twice = [value for place, value in enumerate(values) if value in values[:place]]
    if twice:
        raise ValueError(f"{twice[0]} is given twice")
    for value in values:
        if isinstance(value, RadialFunction) and not (0 < value.eta < math.inf and value.shift >= 0):
            raise ValueError(f"eta must be positive and finite, and the shift must not be negative, in {value}")
        if isinstance(value, AngularFunction):
            if not 0 <= value.eta < math.inf:
                raise ValueError(f"eta must not be negative or infinite in {value}")
            _check_zeta(value.zeta)


def _check_zeta(zeta: int) -> None:
    # A power that is not a whole number has no second derivative at a straight angle.
    if not 1 <= zeta <= LARGEST_ZETA:
        raise ValueError(f"zeta must be a whole number from 1 to {LARGEST_ZETA}, not {zeta}")


def _refuse_vanishing(field: str, functions: Sequence, squares: Tensor, spec: ACSFSpecification) -> None:
    """Refuse functions that are zero at every possible distance, since they cannot be normalised."""
    for function, square in zip(functions, squares.tolist(), strict=True):
        if square < SMALLEST**2:
            raise SpecificationError(
                f"`{field}`: {function} vanishes for all neighbors from {spec.closest} to {spec.cutoff} Angstrom",
                remedy="give a smaller eta or another shift",
            )


class ACSF(nn.Module):
    """Symmetry functions of every atom, each divided by its expected standard deviation.

        G2_i^a  = sum_{j in a} exp(-eta (r_ij - r_s)^2) f_c(r_ij)
        G4_i^ab = 2^(1 - zeta) sum_{j < k in a, b} (1 + lambda cos theta_jik)^zeta
                  exp(-eta (r_ij^2 + r_ik^2 + r_jk^2)) f_c(r_ij) f_c(r_ik) f_c(r_jk)

    for every element a and unordered pair a, b of elements. Wide functions (G5) omit the factors that contain r_jk.
    Weighted functions sum over neighbors of all elements, with the weights Z_j and Z_j Z_k.

    The curvature of Behler's ``f_c = (cos(pi r / r_c) + 1) / 2`` jumps at the cutoff, which causes errors in vibrations
    and in the conserved energy of dynamics. The default is its square, whose first three derivatives vanish there.

    The sums differ by orders of magnitude, and a network would not see the small ones. Therefore each sum is divided by
    its standard deviation for ``neighbor_count`` neighbors that are distributed uniformly and independently.

    Args:
        specification: Cutoff and functions.
        species: The elements.

    Raises:
        SpecificationError: A function vanishes at all distances.
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
        self.functions = collect_triples(spec.angular_functions(), narrow, self.kinds, spec.cutoff, spec.envelope)
        charges = torch.tensor(species.numbers, dtype=torch.float64)
        width = min([w for w in WIDTHS if w >= self.kinds], default=self.kinds)
        # Weight of each element in the sum of each kind; kinds that only fill up the width of the kernel stay empty.
        marks = charges[:, None] if spec.weighted else torch.eye(count, width, dtype=torch.float64)
        self._set_constant("marks", marks)
        self._set_constant("radial", torch.tensor(radial, dtype=torch.float64).T)
        self._set_constant("etas", torch.tensor(self.functions.etas, dtype=torch.float64))
        weight = float((charges**2).mean()) if spec.weighted else 1.0
        one = radial_squares(radial, spec.closest, spec.cutoff, spec.envelope)
        two = angular_squares(self.functions, spec.closest, spec.envelope)
        _refuse_vanishing("radial", radial, one, spec)
        angular = [(self.functions.etas[w], zeta, sign) for w, zeta, sign in self.functions.functions]
        _refuse_vanishing("angular", angular, two[0], spec)
        self._set_constant("radial_squares", weight * one)
        self._set_constant("angular_squares", weight**2 * two)
        self.register_buffer("neighbor_count", torch.tensor(10.0))
        rows = self.kinds * (self.kinds + 1) // 2
        self.channels = (self.kinds * len(radial) + rows * len(self.functions.functions),)

    def _set_constant(self, name: str, value: Tensor) -> None:
        # The value follows from the specification, so model files do not need it.
        self.register_buffer(name, value.to(torch.get_default_dtype()), persistent=False)

    def forward(self, structures: Structures, edges: Edges, elements: Elements, degree: int = HIGHEST) -> Features:
        """Return the functions, divided by their expected standard deviations, as invariants."""
        radial, angular = self.sums(edges, elements)
        n, (pairs, mutual) = self.neighbor_count, self.angular_squares
        radial = radial * torch.rsqrt(n * self.radial_squares)
        angular = angular * torch.rsqrt(n * n * (0.5 * pairs + n * mutual))
        return Features((torch.cat([radial.flatten(1), angular.flatten(1)], dim=1)[:, None],))

    def sums(
        self, edges: Edges, elements: Elements
    ) -> tuple[Float[Tensor, "atoms kinds radial"], Float[Tensor, "atoms kind_pairs angular"]]:
        """Sum the functions as published, without normalisation.

        Returns:
            G2 of every element in the order of the model's table; G4, followed by G5, of every pair of elements in the
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
