"""Cartesian tensors of the atoms, computed from the features: what the readouts of all properties share."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from atnn.errors import SpecificationError
from atnn.parts import Design, Scene, Statistics
from atnn.quantities import Quantity

PRODUCTS = 8  # pairs of vectors of each atom whose products are taken
SMALLEST = 1e-6  # root mean square of features that is taken for zero


class CartesianTensors(nn.Module):
    """A tensor of rank 0, 1 or 2 for every atom.

    With the vectors ``v^k`` and the traceless tensors ``T^k`` of the features, mixed vectors ``p^q = sum_k M_qk v^k``
    and ``r^q = sum_k N_qk v^k``, and the outputs a, b, c, d of one network of the invariants, it is

        rank 0:  a
        rank 1:  sum_k b_k v^k  (a vector),   sum_q c_q p^q x r^q  (a pseudovector)
        rank 2:  a 1 + sum_k b_k T^k + sum_q c_q [p^q r^q]  (symmetric),  and  + sum_q d_q [p^q x r^q]_x  (any)

    [p r] is the symmetric traceless part of the outer product, and [w]_x the antisymmetric matrix of a vector. In a
    planar molecule the traceless parts have a component normal to the plane, and the trace a is free. All components
    that symmetry allows are therefore independent, which they are not in sums of products with positions.

    Args:
        design: Elements and sizes.
        row: The quantity: its rank, parity and symmetry.

    Raises:
        SpecificationError: No such tensor can be made of features: its rank is above 2, or it is a pseudoscalar or a
            pseudotensor of rank 2.
    """

    sizes: Tensor
    scale: Tensor

    def __init__(self, design: Design, row: Quantity):
        super().__init__()
        _refuse_other_tensors(row)
        self.row, self.numbers, self.degree = row, design.species.numbers, row.rank
        vectors = design.width(1) if row.parity == -1 else PRODUCTS
        matrices = (1, design.width(2), PRODUCTS, 0 if row.symmetric else PRODUCTS)
        self.widths = {0: (1,), 1: (vectors,), 2: matrices}[row.rank]
        self.network = design.network(sum(self.widths), scale=0.1)
        if row.rank == 2 or (row.rank == 1 and row.parity == 1):
            self.mixing = nn.Parameter(torch.randn(2, design.width(1), PRODUCTS) / math.sqrt(design.width(1)))
        self.register_buffer("sizes", torch.ones(row.rank + 1))
        self.register_buffer("scale", torch.tensor(1.0))

    @torch.no_grad()
    def start(self, statistics: Statistics, scene: Scene) -> None:
        """Measure the size of the features, and start from the size and the isotropic part of the labels."""
        for degree in range(1, self.degree + 1):
            size = scene.features.nodes[degree].square().mean().sqrt()
            self.sizes[degree] = size if float(size) > SMALLEST else 1.0
        name = self.row.name
        self.scale.fill_(statistics.spreads.get(name, 1.0))
        known = statistics.isotropic if self.row.rank else statistics.means
        means = {z: value / float(self.scale) for z, value in known.get(name, {}).items()}
        if self.row.rank != 1:
            self.network.start_from_means(means, self.numbers)

    def forward(self, scene: Scene) -> Float[Tensor, "atoms *cartesian"]:
        """Compute the tensors of all atoms in the unit of the quantity."""
        nodes = scene.features.nodes
        weights = self.network(nodes[0].squeeze(1), scene.elements) * self.scale
        if self.degree == 0:
            return weights[:, 0]
        parts = weights.split(self.widths, dim=1)
        vectors = nodes[1] / self.sizes[1]
        if self.degree == 2:
            return self._sum_matrices(vectors, nodes[2] / self.sizes[2], *parts)
        return (vectors * parts[0][:, None]).sum(2) if self.row.parity == -1 else self._sum_products(vectors, parts[0])

    def _sum_matrices(self, vectors, tensors, trace, weights, products, skew) -> Float[Tensor, "atoms 3 3"]:
        first, second = self._mix(vectors)
        dyads = torch.einsum("axq,ayq->axy", first * products[:, None], second)
        unit = torch.eye(3, dtype=dyads.dtype, device=dyads.device)
        total = 0.5 * (dyads + dyads.mT) + expand_harmonics((tensors * weights[:, None]).sum(2))
        # The trace of the dyads is left to the network, so that both parts are learned by themselves.
        traces = trace[:, :, None] - dyads.diagonal(dim1=1, dim2=2).sum(1)[:, None, None] / 3
        total = total + traces * unit
        return total if self.row.symmetric else total + cross_matrix(self._sum_products(vectors, skew))

    def _sum_products(self, vectors: Tensor, weights: Tensor) -> Float[Tensor, "atoms 3"]:
        first, second = self._mix(vectors)
        return (torch.linalg.cross(first, second, dim=1) * weights[:, None]).sum(2)

    def _mix(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Mix the vectors [atoms, 3, channels] to pairs [atoms, 3, products]."""
        flat = vectors.reshape(-1, vectors.shape[2])
        first, second = ((flat @ weight).reshape(*vectors.shape[:2], -1) for weight in self.mixing)
        return first, second


def _refuse_other_tensors(row: Quantity) -> None:
    if row.rank > 2 or (row.rank != 1 and row.parity != (-1) ** row.rank):
        raise SpecificationError(
            f"{row.name} is of rank {row.rank} and parity {row.parity:+d}: no readout makes such a tensor",
            where="model.outputs",
            remedy="write a part for it, or derive it: a hyperpolarizability from an energy that depends on the field",
        )


def expand_harmonics(harmonics: Float[Tensor, "atoms 5 *channels"]) -> Float[Tensor, "atoms 3 3 *channels"]:
    """Expand the harmonics of degree 2 to the symmetric traceless matrix ``n n - 1/3``, up to a factor."""
    a, b, c, d, e = (harmonics / math.sqrt(3)).unbind(1)
    e = e / math.sqrt(3)
    columns = [a - e, b, c, b, -a - e, d, c, d, 2 * e]
    return torch.stack(columns, dim=1).unflatten(1, (3, 3))


def cross_matrix(vectors: Float[Tensor, "atoms 3"]) -> Float[Tensor, "atoms 3 3"]:
    """Build the antisymmetric matrix whose product with x is ``vector x x``."""
    x, y, z = vectors.unbind(1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).unflatten(1, (3, 3))
