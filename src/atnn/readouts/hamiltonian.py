"""Hamiltonian of each molecule in a basis of atomic orbitals, block by block.

The blocks are sums of spherical tensors, as in SchNOrb (doi:10.1038/s41467-019-12875-2), PhiSNet (arXiv:2106.02347) and
DeepH-E3 (doi:10.1038/s41467-023-38468-8). Here they are read from the features of any representation.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from atnn.basis import require_basis
from atnn.errors import SpecificationError
from atnn.parts import Design, PairMoments, Part, Scene, Statistics, Values
from atnn.readouts.blocks import BlockLayout
from atnn.readouts.environments import CHANNELS, CODES, CUTOFF, RADIAL, Environments, Network, Products, RadialFunctions
from atnn.so3 import coupling, spherical_harmonics
from atnn.structures import Structures

RANGE = 4.0  # Angstrom; blocks of distant atoms fade as exp(-r^2 / (2 RANGE^2)), as products of Gaussians do
SMALLEST_SCALE = 1e-3  # eV


class Hamiltonian(Part):
    """Blocks of the Hamiltonian of every pair of atoms, exactly equivariant and symmetric.

        H_ij = (F_ij + F_ji^T) / 2,      H_ii = (G_i + G_i^T) / 2
        F_ij^{ab} = s_ab exp(-r_ij^2 / 2 R^2) sum_L C^{l_a l_b L} (V_abL(ij) Y_L(r_ij) + sum_k M_kabL P_k^L(ij)),
        P_k^L(ij) = sum over l1, l2 of w_k^{l1 l2 L}(ij) (Y_l1(r_ij) x (u A_i + v A_j)_k^l2)^L
        G_i^{ab} = c_ab + s_ab sum_L C^{l_a l_b L} (delta_L0 V_ab(i) + sum_k M'_kabL (A_i + A_i x A_i)_k^L)

    a and b are shells, C Clebsch-Gordan coefficients, A the tensors of :class:`Environments`. V, u, v and w are outputs
    of networks; that of the pairs sees distance, codes of both atoms and the projections of their tensors on the pair.
    V Y is the two-center part of Slater and Koster. The products of odd l1 + l2 + L are pseudotensors, which blocks of
    shells with l > 0 need. c and s start from mean and spread of the labels.

    Args:
        design: Elements, sizes and basis.
    """

    gives = frozenset({"hamiltonian"})
    cutoff = CUTOFF
    offsets: Tensor
    spreads: Tensor
    scales: Tensor

    def __init__(self, design: Design):
        super().__init__()
        basis = require_basis(design.basis, design.species.numbers)
        layout = self.layout = BlockLayout(basis, design.species.numbers)
        self.numbers, self.channels = design.species.numbers, layout.channels[0, 0]
        self.factors = max(1, layout.degree // 2)
        self.environments = Environments(design, max(layout.degree, self.factors))
        self.degree = self.environments.read
        self.sites, self.pairs = Products(layout, self.factors), Products(layout, self.factors)
        self.site_mixing = nn.Parameter(torch.randn(2, self.factors + 1, CHANNELS, CHANNELS) / math.sqrt(CHANNELS))
        self.site_network = Network(CODES, design.hidden, self.channels + len(self.sites.paths) * CHANNELS)
        self.axial = [layout.channels[kind] for kind in layout.kinds() if not kind[1]]
        self.gates = 2 * (self.factors + 1) * CHANNELS
        outputs = sum(self.axial) + self.gates + len(self.pairs.paths) * CHANNELS
        self.radial = RadialFunctions()
        self.pair_network = Network(RADIAL + 2 * CODES + 2 * self.factors * CHANNELS, design.hidden, outputs)
        elements, shells = len(self.numbers), len(layout.common)
        self.register_buffer("offsets", torch.zeros(elements, self.channels))
        self.register_buffer("spreads", torch.ones(elements, shells, shells))
        self.register_buffer("scales", torch.ones(elements, elements, shells, shells))

    def check(self, structures: Structures) -> None:
        """Refuse periodic structures, whose blocks would depend on lattice vectors.

        Raises:
            SpecificationError: There is one.
        """
        if bool(structures.pbc.any()):
            raise SpecificationError(
                "hamiltonian of a periodic structure, whose blocks would depend on lattice vectors",
                remedy="set pbc to False for molecules, or ask for other outputs",
            )

    def start(self, statistics: Statistics, scene: Scene, values: Values) -> None:
        """Start from the mean blocks of the atoms of each element, and from the spreads of all blocks."""
        known = statistics.pairs.get("hamiltonian", {})
        for first, z in enumerate(self.numbers):
            if (z, 0) in known:
                self._start_site(first, known[z, 0])
            for second, other in enumerate(self.numbers):
                if (z, other) in known:
                    square = self.layout.restore(known[z, other].square.numpy(), first, second)
                    self.scales[first, second] = torch.from_numpy(self._measure(square)).to(self.scales)

    def forward(self, scene: Scene, values: Values) -> dict[str, Tensor]:
        """``hamiltonian`` [pairs, width, width] in eV."""
        assert scene.rows.atom_pairs is not None
        i, j = scene.rows.atom_pairs
        element = scene.elements.row
        codes, tensors = self.environments(scene)
        blocks = self._build_pairs(scene, codes, tensors, i, j)
        rows = _find_rows(scene.structures)
        same = rows + torch.arange(element.shape[0], device=i.device)
        blocks = blocks.index_add(0, same, self._build_sites(codes, tensors, element))
        blocks = 0.5 * (blocks + blocks.index_select(0, rows.index_select(0, j) + i).transpose(1, 2))
        return {"hamiltonian": self.layout.choose(blocks, element.index_select(0, i), element.index_select(0, j))}

    def _build_sites(self, codes: Tensor, tensors: list[Tensor], element: Int[Tensor, " atoms"]) -> Tensor:
        """Blocks of the orbitals of one atom each."""
        values, weights = self.site_network(codes).tensor_split([self.channels], dim=1)
        a, b = (
            torch.cat([part @ matrix for part, matrix in zip(tensors, matrices, strict=False)], dim=1)
            for matrices in self.site_mixing
        )
        parts = self.sites(a, b, weights, tensors)
        parts[0] = parts[0] + (values + self.offsets.index_select(0, element))[:, None]
        return self.layout.build(parts, self.spreads.index_select(0, element))

    def _build_pairs(self, scene: Scene, codes: Tensor, tensors: list[Tensor], i: Tensor, j: Tensor) -> Tensor:
        """Blocks of the orbitals of two atoms; zero for an atom with itself."""
        positions, element = scene.structures.positions, scene.elements.row
        vectors = positions.index_select(0, j) - positions.index_select(0, i)
        # An atom has no direction to itself; any vector does where the result is not used.
        vectors = torch.where((i == j)[:, None], vectors.new_tensor([0.0, 0.0, 1.0]), vectors)
        square = vectors.square().sum(1)
        lengths = square.sqrt()
        angular = spherical_harmonics(vectors / lengths[:, None], self.environments.degree)
        factors = tensors[1 : self.factors + 1]
        scalars = [self.radial(lengths), *(codes.index_select(0, end) for end in (i, j))]
        scalars += [_project(angular, factors, end) for end in (i, j)]
        found = self.pair_network(torch.cat(scalars, dim=1))
        axial, gates, weights = found.tensor_split([sum(self.axial), sum(self.axial) + self.gates], dim=1)
        parts = self.pairs(self._spread(angular), self._gate(tensors, gates, i, j), weights)
        for (degree, odd), place in zip(self.pairs.kinds, range(len(parts)), strict=True):
            if not odd:
                chosen, axial = axial.tensor_split([self.axial[degree]], dim=1)
                parts[place] = parts[place] + angular[degree][:, :, None] * chosen[:, None]
        damping = torch.where(i == j, 0.0, torch.exp(-square / (2 * RANGE**2)))
        scale = self.scales[element.index_select(0, i), element.index_select(0, j)]
        return self.layout.build(parts, damping[:, None, None] * scale)

    def _spread(self, angular: tuple[Tensor, ...]) -> Tensor:
        """Harmonics of the pairs as a factor of the products."""
        harmonics = torch.cat(angular[: self.factors + 1], dim=1)
        return harmonics[:, :, None].expand(-1, -1, CHANNELS)

    def _gate(self, tensors: list[Tensor], gates: Tensor, i: Tensor, j: Tensor) -> Tensor:
        """Tensors of both atoms of the pairs, weighted and added."""
        gates = gates.unflatten(1, (2, self.factors + 1, CHANNELS))
        return torch.cat(
            [
                part.index_select(0, i) * gates[:, 0, d, None] + part.index_select(0, j) * gates[:, 1, d, None]
                for d, part in enumerate(tensors[: self.factors + 1])
            ],
            dim=1,
        )

    def _start_site(self, row: int, moments_: PairMoments) -> None:
        """Set the constant and the spread of the blocks of the atoms of an element."""
        mean, square = (self.layout.restore(part.numpy(), row, row) for part in moments_[:2])
        constant, values = np.zeros_like(mean), np.zeros(self.channels)
        for channel, (a, b) in enumerate(self.layout.shells[:, : self.channels].T.tolist()):
            where = self.layout.slice_shells(a, b)
            table = coupling(self.layout.common[a], self.layout.common[b], 0)[:, :, 0]
            value = float((table * mean[where]).sum())
            if math.isfinite(value):
                constant[where] = value * table
                values[channel] = value
        spreads = self._measure(square - 2 * constant * mean + constant**2)
        self.spreads[row] = torch.from_numpy(spreads).to(self.spreads)
        a, b = self.layout.shells[:, : self.channels].numpy()
        self.offsets[row] = torch.from_numpy(values / spreads[a, b]).to(self.offsets)

    def _measure(self, square: np.ndarray) -> np.ndarray:
        """Root of the mean square for each pair of common shells; 1 where an element lacks one of them."""
        found = np.ones((len(self.layout.common),) * 2)
        for a, b in np.ndindex(found.shape):
            value = square[self.layout.slice_shells(a, b)].mean()
            if math.isfinite(value):
                found[a, b] = max(math.sqrt(max(value, 0.0)), SMALLEST_SCALE)
        return found


def _find_rows(structures: Structures) -> Int[Tensor, " atoms"]:
    """Find n_i for every atom, so that the pair of atoms i and j stands in row n_i + j."""
    batch = structures.batch
    counts = batch.new_zeros(structures.cell.shape[0]).index_add(0, batch, torch.ones_like(batch))
    each, starts = counts.index_select(0, batch), (torch.cumsum(counts, 0) - counts).index_select(0, batch)
    return torch.cumsum(each, 0) - each - starts


def _project(
    angular: tuple[Tensor, ...], tensors: list[Float[Tensor, "atoms _ channels"]], end: Int[Tensor, " rows"]
) -> Float[Tensor, "rows scalars"]:
    """Project the tensors of one atom of each pair on the direction of the pair."""
    return torch.cat(
        [
            (angular[d][:, :, None] * part.index_select(0, end)).sum(1) / math.sqrt(2 * d + 1)
            for d, part in enumerate(tensors, start=1)
        ],
        dim=1,
    )


def make_hamiltonian(design: Design) -> dict[str, Part]:
    """Build the part of the output ``hamiltonian``; there is none without a basis."""
    return {} if design.basis is None else {"hamiltonian": Hamiltonian(design)}
