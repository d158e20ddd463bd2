"""Screened nuclear repulsion at short range.

J. F. Ziegler, J. P. Biersack, U. Littmark, The Stopping and Range of Ions in Solids (Pergamon, 1985).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from ase.data import covalent_radii
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn.functional import softplus

from atnn import units
from atnn.functions import polynomial
from atnn.functions.bernstein import bump
from atnn.kernels import gather_centers, gather_neighbors, sum_centers
from atnn.parts import Design, Part, Scene, Values
from atnn.specification import Specification

SCREENING = ((0.18175, 3.19980), (0.50986, 0.94229), (0.28022, 0.40290), (0.02817, 0.20162))
SCREENING_EXPONENT, SCREENING_LENGTH = 0.23, 0.46850  # Angstrom


class ZBLSpecification(Specification):
    """Universal screened repulsion, which vanishes at bond lengths."""

    name: Literal["zbl"] = "zbl"
    reach: float = Field(1.0, gt=0, le=2, description="range in units of the sum of the two covalent radii")
    learnable: bool = Field(False, description="whether to learn the screening, starting from the universal one")
    cutoff: float | None = Field(
        None, gt=0, le=100, description="range of all pairs with SpookyNet's cutoff function [Angstrom]; none: by reach"
    )

    @model_validator(mode="after")
    def _one_range(self) -> ZBLSpecification:
        if self.cutoff is not None and self.reach != 1.0:
            raise ValueError("give either a cutoff or a reach")
        return self

    def parts(self, design: Design) -> dict[str, Part]:
        """Build the term."""
        return {self.name: ZBL(self, design.species.numbers)}


class ZBL(Part):
    """``E = 1/2 sum_ij k_e Z_i Z_j / r  phi(r / a_ij)  f(r / (reach (R_i + R_j)))``.

        phi(x) = sum_k c_k exp(-b_k x) / sum_k c_k,  a_ij = d / (Z_i^p + Z_j^p)

    The universal screening has d = 0.4685 Angstrom, p = 0.23 and four exponentials. R are covalent radii and f is a
    polynomial envelope with two continuous derivatives. The repulsion keeps atoms apart at distances without data.
    Where there are data, the network learns the difference. Softplus keeps learned c, b, p and d positive, as in
    SpookyNet (O. T. Unke et al., Nat. Commun. 2021, 12, 7273, doi:10.1038/s41467-021-27504-0). With a ``cutoff``, f is
    its cutoff function (:func:`bump`) of that range instead, and the repulsion acts at bond lengths, too.

    Args:
        specification: Range of the term, and whether the screening is learned.
        numbers: Atomic numbers of the model's elements.
    """

    gives = frozenset({"atomic_energies"})
    nuclei: Tensor
    universal: Tensor

    def __init__(self, specification: ZBLSpecification, numbers: Sequence[int]):
        super().__init__()
        self.specification = specification
        longest = 2 * specification.reach * float(max(covalent_radii[list(numbers)]))
        self.cutoff = specification.cutoff or longest
        charges = torch.tensor([float(z) for z in numbers])
        radii = torch.tensor([float(covalent_radii[z]) for z in numbers])
        self.register_buffer("nuclei", torch.stack([charges, specification.reach * radii]), persistent=False)
        weights, decays = zip(*SCREENING, strict=True)
        values = torch.tensor([*weights, *decays, SCREENING_EXPONENT, SCREENING_LENGTH], dtype=torch.float64)
        if specification.learnable:
            self.raw = nn.Parameter(torch.log(torch.expm1(values)).to(charges.dtype))
        else:
            self.register_buffer("universal", values, persistent=False)

    @property
    def screening(self) -> Screening:
        """Constants of the screening function."""
        values = softplus(self.raw) if self.specification.learnable else self.universal
        weights, decays, last = values.split([len(SCREENING), len(SCREENING), 2])
        return Screening(weights / weights.sum(), decays, last[0], last[1])

    def forward(self, scene: Scene, values: Values) -> dict[str, Tensor]:
        """``atomic_energies`` [atoms] in eV, float64: half the energy of each pair goes to either atom."""
        edges, (charges, radii) = scene.edges, self.nuclei
        screening = self.screening
        table = torch.stack([charges, charges**screening.exponent / screening.length, radii], dim=1)
        atoms = table.index_select(0, scene.elements.row)
        zi, si, ri = gather_centers(atoms, edges.i, edges.offsets).unbind(1)
        zj, sj, rj = gather_neighbors(atoms, edges.j, edges.reverse, edges.offsets).unbind(1)
        energy = units.coulomb * zi * zj / edges.lengths * screening(edges.lengths * (si + sj))
        if self.specification.cutoff is None:
            energy = energy * polynomial(edges.lengths / (ri + rj))
        else:
            energy = energy * bump(edges.lengths, self.cutoff)
        return {"atomic_energies": sum_centers(0.5 * energy[:, None], edges.i, edges.offsets)[:, 0].double()}


class Screening(NamedTuple):
    """``phi(x) = sum_k weights_k exp(-decays_k x)`` with ``x = r (Z_i^exponent + Z_j^exponent) / length``."""

    weights: Float[Tensor, " exponentials"]
    decays: Float[Tensor, " exponentials"]
    exponent: Float[Tensor, ""]
    length: Float[Tensor, ""]

    def __call__(self, x: Float[Tensor, " pairs"]) -> Float[Tensor, " pairs"]:
        """Compute the unscreened fraction of the repulsion, which is 1 at x = 0."""
        phi = torch.zeros_like(x)
        for weight, decay in zip(self.weights, self.decays, strict=True):
            phi = phi + weight * torch.exp(-decay * x)
        return phi
