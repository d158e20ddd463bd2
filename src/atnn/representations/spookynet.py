"""SpookyNet: embedded charge and spin, local interactions through s, p and d functions, and nonlocal attention.

O. T. Unke et al., Nat. Commun. 2021, 12, 7273, doi:10.1038/s41467-021-27504-0.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import softplus

from atnn.errors import SpecificationError
from atnn.functions import PerElement, Species
from atnn.functions.attention import linear_attention, orthogonal_features, raised_attention
from atnn.functions.bernstein import bump, exponential_bernstein
from atnn.functions.residual import SMALL, Residual, ResidualNetwork
from atnn.functions.species import HEAVIEST
from atnn.kernels import gather_neighbors, moments
from atnn.representations.electrons import CONDITIONS, Electrons
from atnn.representations.specification import RepresentationSpecification
from atnn.so3 import solid_harmonics
from atnn.structures import HIGHEST, Edges, Elements, Features, Structures

DECAY = 0.9448630629  # initial gamma, 1 / (2 a0) [1/Angstrom]


class SpookyNetSpecification(RepresentationSpecification):
    """Settings of a SpookyNet representation; the sizes are those of the publication."""

    conditions: ClassVar[tuple[str, ...]] = CONDITIONS  # those that the model uses enter the first features

    name: Literal["spookynet"] = "spookynet"
    cutoff: float = Field(5.2917721, gt=0, le=100, description="cutoff radius [Angstrom]")
    channels: int = Field(128, ge=2, le=512, description="number of features F of every atom")
    rounds: int = Field(6, ge=1, le=16, description="number of interaction modules T")
    radial: int = Field(16, ge=2, le=64, description="number of Bernstein polynomials K")
    attention: bool = Field(True, description="nonlocal interaction of all atoms of a structure")
    random_features: int = Field(
        64, ge=16, le=1024, multiple_of=16, description="number of random features of the attention"
    )
    constant: float = Field(
        0.0, ge=0, le=1, description="added to each random feature; 1e-4 in the published code, which makes slopes jump"
    )

    def build(self, species: Species, conditions: Collection[str] = ()) -> SpookyNet:
        """Build the representation."""
        return SpookyNet(self, species, conditions)


class SpookyNet(nn.Module):
    """Features of the atoms, refined by modules of local and nonlocal interactions.

        x_i <- e_{z_i} + e_i(Q) + e_i(S),   f_i = sum over modules of resmlp_out(x_i)
        y = residual(x),   x <- residual(y + l(y) + n(y))
        l = resmlp_l( c + <P p, P' p> + <D d, D' d> ),   n = attention( resmlp_q(y), resmlp_k(y), resmlp_v(y) )
        c_i = resmlp_c(y_i) + n^{-1/2} sum_j G_s g(r_ij) resmlp_s(y_j)
        p_i = n^{-1/2} sum_j G_p g(r_ij) Y_1(r_ij) resmlp_p(y_j),   d_i likewise with Y_2

    e_z is a linear function of the occupation of the electron shells, plus free parameters of each element unless
    elements share parameters. e(Q) and e(S) are those of :class:`ElectronicEmbedding`. g are the exponential Bernstein
    polynomials with one learned decay, times the cutoff function.

    The attention does not depend on distance. Energies of distant fragments therefore do not add, and ``local`` is
    False. As in the published code, it is estimated from random features, at a cost linear in the number of atoms, and
    acts within each structure. That code adds 1e-4 to each feature, as ``constant`` does here. Its radial functions
    have a further factor ``exp(-gamma r)``, and are K of the K + 1 functions that are here with ``radial: K + 1``. Sums
    over neighbors are divided by the square root of their mean number here. Layers that start from zero in the
    publication start small and random.

    Args:
        specification: Sizes and cutoff.
        species: The elements, and whether they share parameters.
        conditions: The conditions that enter: ``charge``, ``spin`` or both.

    Raises:
        SpecificationError: An element is heavier than radon, so its electron shells are not known.
    """

    neighbor_count: Tensor

    def __init__(
        self, specification: SpookyNetSpecification, species: Species, conditions: Collection[str] = CONDITIONS
    ):
        super().__init__()
        spec = self.specification = specification
        if max(species.numbers) > HEAVIEST:
            raise SpecificationError(
                f"electron shells are known up to Z = {HEAVIEST}, not for {max(species.numbers)}",
                where="spookynet",
                remedy="leave out heavier elements",
            )
        self.cutoff, self.channels = spec.cutoff, (spec.channels,) * 3
        self.local = not spec.attention
        self.register_buffer("neighbor_count", torch.tensor(10.0))
        start = torch.randn(len(species.numbers), spec.channels)
        self.shells = PerElement(species._replace(shared=True), start)
        self.rows = None if species.shared else PerElement(species, torch.zeros_like(start))
        self.electrons = Electrons(conditions, spec.channels) if conditions else None
        self.decay = nn.Parameter(torch.tensor(math.log(math.expm1(DECAY))))
        self.rounds = nn.ModuleList(Interaction(spec) for _ in range(spec.rounds))

    def forward(self, structures: Structures, edges: Edges, elements: Elements, degree: int = HIGHEST) -> Features:
        """Return the summed features of all modules, and the p and d functions of the last one as tensors."""
        angular = solid_harmonics(edges.vectors / edges.lengths[:, None], torch.ones_like(edges.lengths), 2)
        envelope = bump(edges.lengths, self.cutoff) * torch.rsqrt(self.neighbor_count)
        radial = exponential_bernstein(edges.lengths, softplus(self.decay), self.specification.radial)
        radial = radial * envelope[:, None]
        first = torch.arange(structures.cell.shape[0] + 1, device=structures.batch.device)
        offsets = torch.searchsorted(structures.batch, first)
        x, parts = self._embed_atoms(structures, elements), []
        for update in self.rounds:
            x, part, tensors = update(angular, radial, x, structures.batch, offsets, edges)
            parts.append(part)
        return Features((torch.stack(parts).sum(0)[:, None], *tensors))

    def _embed_atoms(self, structures: Structures, elements: Elements) -> Float[Tensor, "atoms channels"]:
        """Embed the element, the charge and the spin of every atom in its first features."""
        table = self.shells() if self.rows is None else self.shells() + self.rows()
        x = table.index_select(0, elements.row)
        return x if self.electrons is None else x + self.electrons(x, structures).sum(0)


class Interaction(nn.Module):
    """One module: residual blocks before and after a local and a nonlocal interaction.

    Args:
        spec: Sizes.
    """

    features: Tensor

    def __init__(self, spec: SpookyNetSpecification):
        super().__init__()
        width = spec.channels
        self.attention, self.constant = spec.attention, spec.constant
        self.before, self.after = Residual(width), Residual(width)
        self.sources = ResidualNetwork(width, 4)  # inputs of the atom itself and of the s, p and d functions
        # The polynomials sum to one and few are large at a given distance, so sums of order one need large factors.
        self.radial = nn.Parameter(4.0 * torch.randn(3, spec.radial, width))
        # Products are quadratic in the features; they start small so that features do not explode over the modules.
        self.products = nn.Parameter(torch.randn(2, width, 2 * width) * (0.3 / math.sqrt(width)))
        self.combined, self.output = ResidualNetwork(width, gain=SMALL), ResidualNetwork(width)
        if spec.attention:
            # Queries and keys start small, because a few random features then estimate the attention well.
            self.attending = ResidualNetwork(width, 3, gain=SMALL)
            self.register_buffer("features", orthogonal_features(width, spec.random_features))

    def forward(
        self,
        angular: Sequence[Float[Tensor, "pairs _"]],
        radial: Float[Tensor, "pairs functions"],
        x: Float[Tensor, "atoms channels"],
        batch: Int[Tensor, " atoms"],
        offsets: Int[Tensor, " structures_plus_1"],
        edges: Edges,
    ) -> tuple[Float[Tensor, "atoms channels"], Float[Tensor, "atoms channels"], tuple[Tensor, ...]]:
        """Return the new x, the module's contribution to the features, and its p and d functions."""
        y = self.before(x[None])
        local, tensors = self._interact_locally(angular, radial, y, edges)
        total = y[0] + local
        if self.attention:
            queries, keys, values = self.attending(y).unbind(0)
            total = total + self._attend(queries, keys, values, batch, offsets)
        x = self.after(total[None])
        return x[0], self.output(x)[0], tensors

    def _attend(self, queries, keys, values, batch, offsets):
        if self.constant == 0:
            return linear_attention(queries, keys, values, self.features, batch, offsets)
        return raised_attention(queries, keys, values, self.features, batch, offsets, self.constant)

    def _interact_locally(self, angular, radial, y, edges: Edges):
        own, *passed = self.sources(y).unbind(0)
        s, p, d = (
            moments(
                a, (radial @ g) * gather_neighbors(z, edges.j, edges.reverse, edges.offsets), edges.i, edges.offsets
            )
            for a, g, z in zip(angular, self.radial, passed, strict=True)
        )
        total = own + s[:, 0]
        for function, weight in zip((p, d), self.products, strict=True):
            # Reshaped to one matrix, because PyTorch computes a 3D tensor times a matrix as a product per atom.
            mixed = (function.reshape(-1, weight.shape[0]) @ weight).reshape(*function.shape[:2], -1)
            first, second = mixed.chunk(2, dim=2)
            total = total + (first * second).sum(1)
        return self.combined(total[None])[0], (p, d)
