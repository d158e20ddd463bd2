"""The electronic friction tensor of adsorbates, positive semidefinite by construction."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import silu

from atnn.functions import polynomial
from atnn.kernels import sum_centers
from atnn.parts import Design, Part, Scene, Values
from atnn.readouts.cartesian import expand_harmonics

COLUMNS = 4  # vectors, and as many matrices, that each atom and each coupling contribute
LATENTS = 16  # numbers that describe an atom to its couplings
GAUSSIANS = 8  # functions of the distance of two coupled atoms
WIDTH = 32  # of the network of the couplings
REACH = 5.0  # Angstrom; farther atoms are neither coupled nor in contact
BOND = 2.0  # Angstrom; a bond of this length counts as one contact
DECAY = 0.5  # Angstrom, of contacts with the distance: that of the electron density outside a metal


class _Couplings(NamedTuple):
    """Pairs of neighbors that are both of an adsorbate, as in :class:`atnn.structures.Edges`."""

    i: Tensor
    j: Tensor
    lengths: Tensor
    vectors: Tensor


class FrictionTensor(Part):
    """Friction tensor of all atoms of an adsorbate as the square of an equivariant matrix, ``Lambda = Sigma Sigma^T``.

    Sigma has three rows for each atom. Its columns come in two kinds. Those of one atom a are zero for all others:

        w_a^k = s_a sum_c u_kc v_a^c,                   S_a^k = s_a (p_k 1 + sum_c q_kc T_a^c)

    v and T are the vectors and the traceless tensors of the representation; u, p and q are outputs of a network of the
    invariants. Those of two neighbors (i, j) of the adsorbate at the distance r along e have blocks at both,

        i:  s_i f(r) (a_k w'_i^k + b_k e),  s_i f(r) (d_k 1 + e_k S'_i^k + g_k e e^T),   and alike at j,

    with coefficients from a network of both atoms and of r, whose envelope f vanishes at the cutoff. Therefore Lambda
    is symmetric and positive semidefinite, turns with the structure, follows the exchange of atoms, and couples no
    distant atoms. Where a mirror plane holds the vectors in itself, the tensors have components across it, and the
    friction across it is not zero. The factor s of :func:`find_contact` makes a molecule in vacuum frictionless, and
    lets friction fall with the distance from a surface where no data say so.

    Sources: equivariant square root, M. Sachs et al., arXiv:2407.13935 (ACEfriction.jl); tensors from first and second
    derivatives, Y. Zhang, R. J. Maurer, B. Jiang, J. Phys. Chem. C 2020, 124, 186, arXiv:1910.09774.

    Args:
        design: Elements and sizes.
    """

    gives = frozenset({"friction"})
    degree = 2
    cutoff = REACH
    centers: Tensor

    def __init__(self, design: Design):
        super().__init__()
        vectors, tensors = design.width(1), design.width(2)
        # Once for the columns of the atom, once for those of its couplings.
        self.widths = (2 * COLUMNS * vectors, 2 * COLUMNS, 2 * COLUMNS * tensors, LATENTS)
        self.network = design.network(sum(self.widths), scale=0.3)
        self.first = nn.Linear(2 * LATENTS + GAUSSIANS, WIDTH)
        self.last = nn.Linear(WIDTH, 10 * COLUMNS)
        self.register_buffer("centers", torch.linspace(0.0, 1.0, GAUSSIANS))

    def forward(self, scene: Scene, values: Values) -> dict[str, Tensor]:
        """``friction`` [pairs of atoms of adsorbates, 3, 3] in eV fs/Angstrom^2."""
        rows = scene.rows
        assert rows.adsorbates is not None and rows.adsorbate_pairs is not None
        assert rows.diagonal is not None and rows.couplings is not None
        vectors, matrices, latents = self._make_columns(scene)
        amplitude = find_contact(scene)[:, None, None]
        own = torch.cat([vectors[..., 0], matrices[..., 0].flatten(2)], dim=2) * amplitude
        own = own.index_select(0, rows.adsorbates)
        blocks = own.new_zeros((rows.adsorbate_pairs.shape[1], 3, 3))
        blocks = blocks.index_add(0, rows.diagonal, own @ own.mT)
        edge, *places = rows.couplings
        pairs = _Couplings(*(getattr(scene.far, name).index_select(0, edge) for name in _Couplings._fields))
        weights = self._weigh(latents, pairs)
        first, second = (
            _couple(vectors[..., 1], matrices[..., 1], atom, part, pairs) * amplitude.index_select(0, atom)
            for atom, part in zip((pairs.i, pairs.j), weights.chunk(2, dim=1), strict=True)
        )
        ends = ((first, first), (second, second), (first, second), (second, first))
        for place, (a, b) in zip(places, ends, strict=True):
            blocks = blocks.index_add(0, place, a @ b.mT)
        return {"friction": blocks}

    def _weigh(self, latents: Tensor, pairs: _Couplings) -> Float[Tensor, "couplings weights"]:
        """Coefficients of the columns of each coupling."""
        x = pairs.lengths / REACH
        gaussians = torch.exp(-0.5 * (GAUSSIANS * (x[:, None] - self.centers)) ** 2)
        known = torch.cat([latents.index_select(0, pairs.i), latents.index_select(0, pairs.j), gaussians], dim=1)
        return self.last(silu(self.first(known))) * polynomial(x)[:, None]

    def _make_columns(self, scene: Scene) -> tuple[Tensor, Tensor, Tensor]:
        """Vectors [atoms, 3, columns, 2] and matrices [atoms, 3, 3, columns, 2] of each atom, and its latents.

        The last axis tells those of the atom from those of its couplings.
        """
        nodes = scene.features.nodes
        weights = self.network(nodes[0].squeeze(1), scene.elements)
        mix, trace, stretch, latents = weights.split(self.widths, dim=1)
        vectors = torch.einsum("axc,acs->axs", nodes[1], mix.unflatten(1, (nodes[1].shape[2], -1)))
        harmonics = torch.einsum("amc,acs->ams", nodes[2], stretch.unflatten(1, (nodes[2].shape[2], -1)))
        unit = torch.eye(3, dtype=weights.dtype, device=weights.device)
        matrices = expand_harmonics(harmonics) + unit[:, :, None] * trace[:, None, None]
        return vectors.unflatten(2, (COLUMNS, 2)), matrices.unflatten(3, (COLUMNS, 2)), latents


def _couple(vectors: Tensor, matrices: Tensor, atom: Tensor, weights: Tensor, pairs: _Couplings) -> Tensor:
    """Block [couplings, 3, columns] of one end of each coupling."""
    a, b, c, d, e = weights.unflatten(1, (5, COLUMNS)).unbind(1)
    direction = pairs.vectors / pairs.lengths[:, None]
    dyad = direction[:, :, None] * direction[:, None]
    unit = torch.eye(3, dtype=weights.dtype, device=weights.device)
    vector = a[:, None] * vectors.index_select(0, atom) + b[:, None] * direction[:, :, None]
    matrix = c[:, None, None] * unit[:, :, None] + d[:, None, None] * matrices.index_select(0, atom)
    matrix = matrix + e[:, None, None] * dyad[..., None]
    return torch.cat([vector, matrix.flatten(2)], dim=2)


def find_contact(scene: Scene) -> Float[Tensor, " atoms"]:
    """Contact of each atom with a surface, from 0 to 1, over the atoms j that are of no adsorbate:

    s_a = 1 - exp(-sum_j f(r_aj) exp(-(r_aj - r_0) / d)),       r_0 = 2 Angstrom, d = 0.5 Angstrom
    """
    assert scene.rows.adsorbates is not None
    edges, ones = scene.far, torch.ones_like(scene.far.lengths[:1])
    marked = torch.zeros_like(scene.structures.positions[:, 0])
    marked = marked.index_add(0, scene.rows.adsorbates, ones.expand(scene.rows.adsorbates.shape[0]))
    weights = polynomial(edges.lengths / REACH) * torch.exp((BOND - edges.lengths) / DECAY)
    weights = weights * (1 - marked.index_select(0, edges.j))
    return 1 - torch.exp(-sum_centers(weights[:, None], edges.i, edges.offsets)[:, 0])


def make_friction(design: Design) -> dict[str, Part]:
    """Build the part of the output ``friction``."""
    return {"friction": FrictionTensor(design)}
