"""Gaussian-type orbitals of the neighbors, from which EANN and REANN build the embedded density."""

from __future__ import annotations

import functools
import math
from collections.abc import Collection
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import softplus

from atnn.errors import SpecificationError
from atnn.functions import PerElement, Species
from atnn.kernels import cosine_squared, gather_neighbors, moments
from atnn.representations.specification import RepresentationSpecification
from atnn.so3 import solid_harmonics
from atnn.structures import Edges, Features, Structures

GaussianWidths = Literal["positive", "free"]


class GaussianOrbitals(nn.Module):
    """Radial part of the orbitals: Gaussians with widths and centers that depend on the neighbor's element.

        g_k(r) = f_c(r) exp(-a_{z,k} (r - r_{z,k})^2),   a > 0 through softplus

    In the published codes ``a`` may become negative during training, which turns a Gaussian into a growing function.
    The softplus prevents this.

    Args:
        species: The elements.
        channels: Number of radial channels k.
        cutoff: Cutoff radius of f_c [Angstrom].
        widths: ``free`` leaves out the softplus, as the published codes do.
    """

    def __init__(self, species: Species, channels: int, cutoff: float, widths: GaussianWidths = "positive"):
        super().__init__()
        self.cutoff, self.positive = cutoff, widths == "positive"
        centers = torch.linspace(0.0, cutoff * (1 - 1 / channels), channels)
        spacing = cutoff / channels
        width = torch.full((channels,), 0.5 / spacing**2)
        start = torch.cat([centers, torch.log(torch.expm1(width)) if self.positive else width])
        self.gaussians = PerElement(species, start.repeat(len(species.numbers), 1))

    def forward(self, edges: Edges, element: Int[Tensor, " atoms"]) -> Float[Tensor, "pairs channels"]:
        """Evaluate the radial functions of every pair, including the cutoff function."""
        centers, widths = self.gaussians().chunk(2, dim=1)
        widths = softplus(widths) if self.positive else widths
        parameters = torch.cat([centers, widths], dim=1).index_select(0, element)
        centers, widths = gather_neighbors(parameters, edges.j, edges.reverse, edges.offsets).chunk(2, dim=1)
        distance = edges.lengths[:, None] - centers
        # exp(-64) is negligible beside 1 even in float64; denormal values would be a hundred times slower.
        gaussians = torch.exp(-torch.clamp(widths * distance * distance, max=64.0))
        return cosine_squared(edges.lengths, self.cutoff)[:, None] * gaussians


def monomials(vectors: Float[Tensor, "pairs 3"], degree: int) -> Float[Tensor, "pairs m"]:
    """Cartesian monomials of degree 0 to ``degree`` (at most 3), times the square root of their multinomial factor.

    With this factor the sum of squares over the components of one degree is the full tensor contraction
    ``sum l!/(lx! ly! lz!) (x^lx y^ly z^lz)^2``, and the contraction for two vectors is ``(r . r')^l``.
    """
    x, y, z = vectors.unbind(1)
    columns = [torch.ones_like(x)]
    if degree >= 1:
        columns += [x, y, z]
    if degree >= 2:
        root2 = math.sqrt(2.0)
        xx, yy, zz, xy, xz, yz = x * x, y * y, z * z, x * y, x * z, y * z
        columns += [xx, yy, zz, root2 * xy, root2 * xz, root2 * yz]
    if degree >= 3:
        root3, root6 = math.sqrt(3.0), math.sqrt(6.0)
        columns += [xx * x, yy * y, zz * z]
        columns += [root3 * p for p in (xx * y, xx * z, yy * x, yy * z, zz * x, zz * y)]
        columns.append(root6 * xy * z)
    return torch.stack(columns, dim=1)


def degree_slices(degree: int) -> list[slice]:
    """Columns of :func:`monomials` that belong to each degree."""
    sizes = [(d + 1) * (d + 2) // 2 for d in range(degree + 1)]
    ends = [sum(sizes[: d + 1]) for d in range(degree + 1)]
    return [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]


@functools.cache
def harmonic_matrix(degree: int) -> list[list[float]]:
    """Coefficients of the :func:`atnn.so3.solid_harmonics` of one degree in its monomials.

    Returns:
        A row for each monomial and a column for each harmonic.
    """
    directions = torch.cat([torch.eye(3), torch.cartesian_prod(*[torch.tensor([-1.0, 0.3, 2.0])] * 3)]).double()
    values = monomials(directions, degree)[:, degree_slices(degree)[degree]]
    wanted = solid_harmonics(directions, torch.ones(len(directions), dtype=torch.float64), degree)[degree]
    return torch.linalg.lstsq(values, wanted, driver="gelsd").solution.tolist()


class OrbitalSpecification(RepresentationSpecification):
    """Settings of the orbitals of a representation."""

    conditions: ClassVar[tuple[str, ...]] = ("field",)  # an orbital of its own in every sum

    cutoff: float = Field(5.0, gt=0, le=100, description="cutoff radius [Angstrom]")
    channels: int = Field(8, ge=2, le=256, description="radial channels k")
    degree: int = Field(2, ge=0, le=3, description="largest angular degree L")
    monomials: Literal["unit", "raw"] = Field(
        "unit", description="monomials of the unit vector to the neighbor, or of the vector itself, as published"
    )
    widths: GaussianWidths = Field("positive", description="Gaussians stay Gaussians, or may grow (free), as published")


STRENGTH = 0.05  # of the orbital of a field of 1 V/Angstrom, beside orbital sums of order one


class FieldOrbital(nn.Module):
    """The electric field as one more neighbor, whose orbital is added to the orbital sums of every atom.

        e^{m,k}(F) = 0.05 eta_{l(m),k} phi_m(F),   l >= 1

    with the monomials phi of :func:`monomials` of the field F in V/Angstrom. Squares of ``W + e`` hold F.W, F^2 and
    their like for every degree, so energies depend on the direction of the field relative to the neighbors. Unlike the
    published code, which also adds eta_k for l = 0, nothing is added without a field, and each degree has its own eta.
    With the factor, dipoles and polarizabilities of molecules start at their usual size for eta = 1.

    Y. Zhang, B. Jiang, Nat. Commun. 2023, 14, 6424, doi:10.1038/s41467-023-42148-y.

    Args:
        channels: Radial channels k.
        degree: Largest degree.

    Raises:
        SpecificationError: The degree is zero, so that no orbital has a direction.
    """

    def __init__(self, channels: int, degree: int):
        super().__init__()
        if degree < 1:
            raise SpecificationError(
                "orbitals of degree 0 see no direction, and a field has one",
                where="model.representation",
                remedy="set `degree` to 1 or more",
            )
        self.degree = degree
        self.strengths = nn.Parameter(torch.ones(degree, channels))

    def forward(self, structures: Structures) -> Float[Tensor, "atoms m channels"]:
        """Evaluate the orbital at every atom."""
        monomial = monomials(structures.applied_field, self.degree)
        parts = [
            monomial[:, part, None] * (STRENGTH * strength)
            for part, strength in zip(degree_slices(self.degree)[1:], self.strengths, strict=True)
        ]
        nothing = torch.zeros_like(parts[0][:, :1])
        return torch.cat([nothing, *parts], dim=1).index_select(0, structures.batch)


class OrbitalSums(nn.Module):
    """Sums of orbitals over the neighbors, weighted by the coefficients of each neighbor.

    The coefficients start from random values, so that elements differ from the first step on. The sums are divided by
    the square root of the mean number of neighbors n.

    Args:
        specification: Sizes and cutoff.
        species: The elements, and whether they share parameters.
        conditions: Conditions of the model, of which orbitals take in the electric field.
    """

    neighbor_count: Tensor

    def __init__(self, specification: OrbitalSpecification, species: Species, conditions: Collection[str] = ()):
        super().__init__()
        self.cutoff, self.degree, self.raw = (
            specification.cutoff,
            specification.degree,
            specification.monomials == "raw",
        )
        self.radial = GaussianOrbitals(species, specification.channels, specification.cutoff, specification.widths)
        self.coefficients = PerElement(species, torch.randn(len(species.numbers), specification.channels))
        self.register_buffer("neighbor_count", torch.tensor(10.0))
        # Stored as Python numbers, because a change of the module's floating-point type would round tensors.
        self.harmonics = [harmonic_matrix(degree) for degree in range(2, self.degree + 1)]
        self.field = FieldOrbital(specification.channels, self.degree) if "field" in conditions else None

    def apply_field(self, structures: Structures) -> Float[Tensor, "atoms m channels"] | None:
        """Evaluate the orbital of the electric field; None if the representation does not depend on it."""
        return None if self.field is None else self.field(structures)

    def angular(self, edges: Edges) -> Float[Tensor, "pairs m"]:
        """Evaluate the angular part of the orbitals."""
        return monomials(edges.vectors if self.raw else edges.vectors / edges.lengths[:, None], self.degree)

    def sum_orbitals(
        self,
        angular: Float[Tensor, "pairs m"],
        radial: Float[Tensor, "pairs channels"],
        coefficients: Float[Tensor, "atoms channels"],
        edges: Edges,
        field: Float[Tensor, "atoms m channels"] | None = None,
    ) -> Float[Tensor, "atoms m channels"]:
        """Compute ``W_i^{m,k} = sum_j c_{j,k} phi_m(r_ij) g_k(r_ij)``, plus the orbital of the field."""
        weights = gather_neighbors(coefficients, edges.j, edges.reverse, edges.offsets)
        sums = moments(angular, radial * weights, edges.i, edges.offsets)
        return sums if field is None else sums + field

    def as_features(
        self, invariants: Float[Tensor, "atoms scalars"], sums: Float[Tensor, "atoms m channels"], degree: int
    ) -> Features:
        """Return the invariants, and the orbital sums up to the requested degree as spherical tensors."""
        vectors = [sums[:, 1:4]] if self.degree else []
        higher = [
            torch.einsum("axk,xm->amk", sums[:, part], sums.new_tensor(matrix))
            for part, matrix in zip(degree_slices(self.degree)[2 : degree + 1], self.harmonics, strict=False)
        ]
        return Features((invariants[:, None], *vectors, *higher))
