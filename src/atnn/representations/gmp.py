"""GMP, Gaussian multipoles of the superposed densities of free atoms, measured around each atom by Gaussian probes.

X. Lei, A. J. Medford, J. Phys. Chem. Lett. 2022, 13, 7911, doi:10.1021/acs.jpclett.2c02100, arXiv:2102.02390.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Annotated, Literal

import numpy as np
import torch
from ase.data import atomic_numbers, covalent_radii
from jaxtyping import Float
from pydantic import Field, field_validator
from torch import Tensor, nn

from atnn.functions import Species, polynomial
from atnn.kernels import gaussian_sums, moments
from atnn.representations.densities import Density, gather_densities
from atnn.representations.specification import RepresentationSpecification
from atnn.so3 import solid_harmonics
from atnn.structures import HIGHEST, Edges, Elements, Features, Structures

WIDEST = 2.0  # Angstrom, the widest probe if only the number of probes is given
SMOOTHING = 0.1  # e of sqrt(x^2 + e^2) - e, in units of a typical feature
SMALLEST = 1e-30  # of a square whose root is taken; its slope is zero below
ATOMS = 0.1  # per Angstrom^3, density of the random arrangement that defines a typical feature

Positive = Annotated[float, Field(gt=0)]


class GMPSpecification(RepresentationSpecification):
    """Settings of a GMP representation.

    The published models have up to 30 probes, spaced evenly up to 2 Angstrom as here, degree 2, and a sharp cutoff of
    10 Angstrom or more. With ``sharp`` and another ``form``, features are those of the published code for the densities
    that are given.
    """

    name: Literal["gmp"] = "gmp"
    cutoff: float = Field(6.0, gt=0, le=100, description="cutoff radius [Angstrom]")
    sigmas: (
        Annotated[int, Field(ge=1, le=256)] | Annotated[tuple[Positive, ...], Field(min_length=1, max_length=256)]
    ) = Field(16, description="widths of the probes [Angstrom], or their number, spaced evenly up to 2 Angstrom")
    degree: int = Field(3, ge=0, le=4, description="largest multipole order n")
    form: Literal["smooth", "norms", "squares"] = Field(
        "smooth", description="norms in typical units, rounded off near zero; or bare norms or squares, as published"
    )
    sharp: bool = Field(False, description="cut off sharply, as published; energies then jump at the cutoff")
    densities: dict[str, Density] | None = Field(
        None, description="by element, B [1/Angstrom^3] and beta [1/Angstrom^2] of each Gaussian, or a file of them"
    )

    @field_validator("densities")
    @classmethod
    def _real_elements(cls, given: dict[str, Density] | None) -> dict[str, Density] | None:
        unknown = [symbol for symbol in given or {} if atomic_numbers.get(symbol, 0) < 1]
        if unknown:
            raise ValueError(f"no elements: {', '.join(unknown)}")
        return given

    @property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers of the densities that are given."""
        return tuple(atomic_numbers[symbol] for symbol in self.densities or {})

    @property
    def widths(self) -> tuple[float, ...]:
        """Widths of the probes [Angstrom]."""
        if isinstance(self.sigmas, tuple):
            return self.sigmas
        return tuple(float(sigma) for sigma in np.linspace(0.0, WIDEST, self.sigmas + 1)[1:])

    def build(self, species: Species, conditions: Collection[str] = ()) -> GMP:
        """Build the representation."""
        return GMP(self, species)


class GMP(nn.Module):
    """Multipoles of the density around an atom, measured by Gaussian probes.

    The density of free atoms, including the center i, is ``rho(r) = sum_j sum_g B_g exp(-beta_g |r - r_j|^2)``. Each
    feature of Lei and Medford is the norm of the tensor of its integrals for all ``a + b + c = n``,

        mu_i^abc = integral S_abc(r - r_i) G_sigma(r - r_i) rho(r) dr
        x_i^{n,sigma} = sqrt( sum_abc n! / (a! b! c!) (mu_i^abc)^2 )

    with the Maxwell-Cartesian harmonics S_abc of order n and normalised Gaussians ``G_sigma``, proportional to
    ``exp(-r^2 / 2 sigma^2)``. A solid harmonic convolved with a Gaussian keeps its shape. With the real harmonics S_nm
    of :func:`solid_harmonics`, p_g electrons in each Gaussian, ``alpha = 1 / 2 sigma^2`` and
    ``kappa = alpha beta_g / (alpha + beta_g)``, the features are

        R_n(r) = sum_g p_g (kappa / pi)^(3/2) (beta_g / (alpha + beta_g))^n exp(-kappa r^2)
        T_i^{nm,sigma} = sum_j f_c(r_ij) S_nm(r_ij) R_n(r_ij)
        x_i^{n,sigma} = sqrt( n! (2 n - 1)!! sum_m (T_i^{nm,sigma})^2 )

    Nothing is learned. The element of a neighbor enters only through its density, so the number of features does not
    depend on the number of elements. Options undo the differences from the published code:

    - The densities are our own (scripts/fit_gmp_densities.py), unless ``densities`` gives others.
    - The envelope f_c of :func:`polynomial` makes the cutoff smooth, unless it is ``sharp``.
    - In the form ``smooth``, every feature is divided by a typical value (:func:`estimate_multipoles`), and its square
      root is rounded off near zero, ``sqrt(x^2 + e^2) - e``. For n = 0 it is T itself, a sum of positive numbers.

    The forms ``norms`` and ``squares`` are x and x^2 as the published code has them without derivatives. With
    derivatives, that code sets norms below 0.01 to zero. Slopes of norms jump where they vanish.

    Args:
        specification: Probes and cutoff.
        species: The elements.

    Raises:
        SpecificationError: There is no density of an element; those of the table reach to radon.
    """

    exponents: Tensor
    amplitudes: Tensor
    own: Tensor

    def __init__(self, specification: GMPSpecification, species: Species):
        super().__init__()
        self.specification, self.cutoff = specification, specification.cutoff
        widths, degree = specification.widths, specification.degree
        exponents, amplitudes = convolve_probes(species.numbers, widths, degree, specification.densities)
        if specification.form == "smooth":
            unit = estimate_multipoles(exponents, amplitudes, species.numbers, self.cutoff)
            amplitudes = amplitudes / unit[:, None]
        # Model files hold these, so that better densities do not change models trained with the present ones. Densities
        # of the specification are in the file already.
        kept = specification.densities is None
        dtype = torch.get_default_dtype() if kept else torch.float64
        tables = {"exponents": exponents, "amplitudes": amplitudes, "own": amplitudes[:, 0].sum(1)}
        for name, table in tables.items():
            self.register_buffer(name, torch.tensor(table, dtype=dtype), persistent=kept)
        self.channels = ((degree + 1) * len(widths), *[len(widths)] * degree)

    def forward(self, structures: Structures, edges: Edges, elements: Elements, degree: int = HIGHEST) -> Features:
        """Return the norms of the multipoles as invariants, and the multipoles as tensors."""
        dtype = edges.lengths.dtype
        if self.specification.sharp:
            envelope = (edges.lengths < self.cutoff).to(dtype)
        else:
            envelope = polynomial(edges.lengths / self.cutoff)
        square = edges.lengths * edges.lengths
        kind = elements.row.index_select(0, edges.j)
        radial = gaussian_sums(square, kind, self.exponents.to(dtype), self.amplitudes.to(dtype))
        harmonics = solid_harmonics(edges.vectors, envelope, self.specification.degree)
        tensors = [
            moments(angular, part, edges.i, edges.offsets)
            for angular, part in zip(harmonics, radial.unbind(0), strict=True)
        ]
        monopole = tensors[0].squeeze(1) + self.own.to(dtype).index_select(0, elements.row)
        return Features((self._measure(monopole, tensors[1:])[:, None], *tensors[1:]))

    def _measure(self, monopole: Tensor, tensors: list[Tensor]) -> Float[Tensor, "atoms features"]:
        """Compute the invariants of the form, in the order of n."""
        if self.specification.form == "smooth":
            norms = [torch.sqrt((t * t).sum(1) + SMOOTHING**2) - SMOOTHING for t in tensors]
            return torch.cat([monopole, *norms], dim=1)
        squares = torch.cat([monopole * monopole, *((t * t).sum(1) for t in tensors)], dim=1)
        return squares if self.specification.form == "squares" else torch.sqrt(squares.clamp(min=SMALLEST))


def convolve_probes(
    numbers: tuple[int, ...],
    widths: tuple[float, ...],
    degree: int,
    densities: Mapping[str, Density] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Convolve the densities of the elements with the probes; return radial functions R_n as sums of Gaussians.

    Args:
        numbers: Atomic numbers.
        widths: Widths of the probes [Angstrom].
        degree: Largest order n.
        densities: Densities by chemical symbol, which replace the table.

    Returns:
        kappa [1/Angstrom^2], of shape [elements, gaussians, probes], and the factors of exp(-kappa r^2)
        [Angstrom^(-n-3)], of shape [elements, degree + 1, gaussians, probes]. The factors include the
        ``sqrt(n! (2n-1)!!)`` of the norm.

    Raises:
        SpecificationError: An element has no density.
    """
    table = gather_densities(numbers, densities)
    electrons, beta = table[:, 0, :, None], table[:, 1, :, None]
    alpha = 0.5 / np.array(widths) ** 2
    kappa = alpha * beta / (alpha + beta)
    monopole = electrons * (kappa / np.pi) ** 1.5
    orders = [
        math.sqrt(math.factorial(n) * math.prod(range(1, 2 * n, 2))) * (beta / (alpha + beta)) ** n
        for n in range(degree + 1)
    ]
    return kappa, np.stack([monopole * order for order in orders], axis=1)


def estimate_multipoles(
    kappa: np.ndarray, amplitudes: np.ndarray, numbers: tuple[int, ...], cutoff: float
) -> Float[np.ndarray, "orders probes"]:
    """Estimate the root mean square of each multipole in a random arrangement of atoms, the unit of the features.

    Neighbors are distributed uniformly beyond the sum of the covalent radii, 0.1 per Angstrom^3. The elements of
    neighbors and center are random. For n = 0 the variance of the center's own contribution over the elements is added
    to the mean square.
    """
    r = np.linspace(0.0, cutoff, 401)[1:]
    envelope = polynomial(torch.tensor(r / cutoff)).numpy()
    n = np.arange(amplitudes.shape[1])[:, None, None]
    radii = covalent_radii[list(numbers)]
    contact = np.minimum(radii[:, None] + radii, 0.5 * cutoff)
    outside = (r > contact[..., None]).mean(0)  # share of the elements of the center
    radial = np.einsum("zngs,zgsr->znsr", amplitudes, np.exp(-kappa[..., None] * r**2)) * r**n * envelope
    # A neighbor contributes r^(2n) R^2 to the sum of squares over m.
    squares = np.einsum("znsr,zr->ns", radial**2 * r**2, outside) * 4 * np.pi * (r[1] - r[0]) * ATOMS / len(numbers)
    squares[0] += amplitudes[:, 0].sum(1).var(0)
    return np.sqrt(squares)
