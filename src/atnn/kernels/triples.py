"""Sums over pairs of neighbors of every atom, without a temporary for each triple.

The sums are a function of one table of the pairs. Forces need its gradient, training on forces needs its derivative
along a direction, and Hessians need the derivative of the gradient along a direction. Each is one kernel.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch._subclasses import FakeTensor

from atnn.errors import SpecificationError
from atnn.kernels.pairs import is_fused

_FUNCTIONS = "int kinds, float cutoff, int envelope, float[] etas, int[] narrow, int[] functions"
torch.library.define(
    "atnn::triples", f"(Tensor table, Tensor? direction, Tensor kind, Tensor offsets, {_FUNCTIONS}) -> Tensor"
)
torch.library.define(
    "atnn::triples_gradient",
    f"(Tensor table, Tensor? direction, Tensor gradient, Tensor kind, Tensor offsets, {_FUNCTIONS}) -> Tensor",
)


@torch.library.register_fake("atnn::triples")
def _(table, direction, kind, offsets, kinds, cutoff, envelope, etas, narrow, functions):
    return table.new_empty((offsets.shape[0] - 1, kinds * (kinds + 1) // 2, len(functions) // 3))


@torch.library.register_fake("atnn::triples_gradient")
def _(table, direction, gradient, kind, offsets, kinds, cutoff, envelope, etas, narrow, functions):
    return torch.empty_like(table, memory_format=torch.contiguous_format)


class TripleFunctions(NamedTuple):
    """The functions that :func:`triples` sums.

    Attributes:
        kinds: Number of kinds of neighbors.
        cutoff: Length from which on pairs are ignored [Angstrom].
        envelope: Power p of the factor ``cos(pi r / 2 r_c)`` that narrow functions have for the distance of the two
            neighbors: 2 is Behler's cosine, 4 its square.
        etas: Exponent of each radial column of the table [1/Angstrom^2].
        narrow: For each radial column, 1 if its functions depend on the distance of the two neighbors, 0 if not.
        functions: Column, zeta and lambda of each function, sorted by column.
    """

    kinds: int
    cutoff: float
    envelope: int
    etas: tuple[float, ...]
    narrow: tuple[int, ...]
    functions: tuple[tuple[int, int, int], ...]

    @property
    def arguments(self) -> tuple:
        """Arguments of the kernels."""
        flat = [number for function in self.functions for number in function]
        return self.kinds, self.cutoff, self.envelope, list(self.etas), list(self.narrow), flat


def triples(
    unit: Float[Tensor, "pairs 3"],
    lengths: Float[Tensor, " pairs"],
    radial: Float[Tensor, "pairs widths"],
    kind: Int[Tensor, " pairs"],
    offsets: Int[Tensor, " atoms_plus_1"],
    functions: TripleFunctions,
) -> Float[Tensor, "atoms kind_pairs functions"]:
    """Sums over the unordered pairs (j, k) of neighbors of each atom i.

        out[i, (a, b), f] = 2^(1 - zeta) sum_{j < k} (1 + lambda cos theta_jik)^zeta R_w(j) R_w(k) Q_w(r_jk)
        Q_w(r) = exp(-eta_w r^2) cos(pi r / 2 r_c)^p below the cutoff, 0 beyond, if w is narrow;   1 if not

    where w is the column of ``radial`` that the function f uses, and a and b are the kinds of j and k. The kinds
    a <= b stand in row b (b + 1) / 2 + a.

    Args:
        unit: Unit vectors from the center to the neighbor.
        lengths: Distances [Angstrom].
        radial: Radial parts R_w of every pair.
        kind: Kind of the neighbor of each pair.
        offsets: Pairs of atom a are ``offsets[a]:offsets[a + 1]``.
        functions: The functions to sum.

    Raises:
        SpecificationError: torch.compile without the fused CPU kernels.
    """
    if not functions.functions:
        return unit.new_zeros((offsets.shape[0] - 1, functions.kinds * (functions.kinds + 1) // 2, 0))
    table = torch.cat([unit, lengths[:, None], radial], dim=1)
    if is_fused(table):
        return _Triples.apply(table, kind, offsets, functions)
    if isinstance(table, FakeTensor):
        raise SpecificationError(
            "the plain sums over triples cannot be compiled: the number of triples depends on the positions",
            where="atnn.kernels.triples",
            remedy="evaluate and train without compilation here, or on a CPU with a C++ compiler",
        )
    return reference(table, kind, offsets, functions)


def reference(table: Tensor, kind: Tensor, offsets: Tensor, functions: TripleFunctions) -> Tensor:
    """Compute the sums in plain PyTorch from the table [pairs, 4 + widths], with every triple in memory."""
    center, j, k = _pairs_of_pairs(offsets, table[:, 3] < functions.cutoff)
    x, y = table.index_select(0, j), table.index_select(0, k)
    cosine = (x[:, :3] * y[:, :3]).sum(1)
    squared = x[:, 3] ** 2 + y[:, 3] ** 2 - 2 * x[:, 3] * y[:, 3] * cosine
    products = x[:, 4:] * y[:, 4:] * _distances(squared, functions)
    columns = [products[:, w] * 2 * (0.5 + 0.5 * sign * cosine) ** zeta for w, zeta, sign in functions.functions]
    a, b = torch.minimum(kind[j], kind[k]), torch.maximum(kind[j], kind[k])
    rows = functions.kinds * (functions.kinds + 1) // 2
    out = table.new_zeros(((offsets.shape[0] - 1) * rows, len(columns)))
    place = center * rows + torch.div(b * (b + 1), 2, rounding_mode="floor") + a
    return out.index_add(0, place, torch.stack(columns, 1)).reshape(-1, rows, len(columns))


def _distances(squared: Tensor, functions: TripleFunctions) -> Tensor:
    """Return Q_w [triples, widths] for squared distances between the neighbors."""
    inside = squared < functions.cutoff**2
    # The root has no derivative at zero, where two neighbors coincide; the cosine has no slope there anyway.
    distance = torch.sqrt(torch.where(inside & (squared > 1e-12), squared, 1e-12))
    wave = torch.where(inside, torch.cos(distance * (0.5 * math.pi / functions.cutoff)) ** functions.envelope, 0.0)
    pairs = zip(functions.etas, functions.narrow, strict=True)
    columns = [torch.exp(-eta * squared) * wave if narrow else torch.ones_like(wave) for eta, narrow in pairs]
    return torch.stack(columns, 1)


def _pairs_of_pairs(offsets: Tensor, inside: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return center, first and second pair of every triple j < k."""
    pairs, device = inside.shape[0], inside.device
    ends = torch.repeat_interleave(offsets[1:], offsets.diff())
    later = ends - torch.arange(pairs, device=device) - 1
    first = torch.repeat_interleave(torch.arange(pairs, device=device), later)
    within = torch.arange(first.shape[0], device=device) - (torch.cumsum(later, 0) - later)[first]
    second = first + 1 + within
    center = torch.repeat_interleave(torch.arange(offsets.shape[0] - 1, device=device), offsets.diff())[first]
    kept = inside[first] & inside[second]
    return center[kept], first[kept], second[kept]


class _Triples(torch.autograd.Function):
    @staticmethod
    def forward(ctx, table, kind, offsets, functions):
        ctx.save_for_backward(table, kind, offsets)
        ctx.functions = functions
        return torch.ops.atnn.triples(table, None, kind, offsets, *functions.arguments)

    @staticmethod
    def backward(ctx, gradient):
        return _Gradient.apply(gradient, *ctx.saved_tensors, ctx.functions), None, None, None


class _Gradient(torch.autograd.Function):
    """Derivative of ``sum(gradient * sums)`` by the table."""

    @staticmethod
    def forward(ctx, gradient, table, kind, offsets, functions):
        ctx.save_for_backward(gradient, table, kind, offsets)
        ctx.functions = functions
        return torch.ops.atnn.triples_gradient(table, None, gradient, kind, offsets, *functions.arguments)

    @staticmethod
    def backward(ctx, direction):
        gradient, *saved = ctx.saved_tensors
        by_gradient = _Along.apply(direction, *saved, ctx.functions) if ctx.needs_input_grad[0] else None
        by_table = _Curvature.apply(direction, gradient, *saved, ctx.functions) if ctx.needs_input_grad[1] else None
        return by_gradient, by_table, None, None, None


class _Along(torch.autograd.Function):
    """Derivative of the sums along a direction of the table."""

    @staticmethod
    def forward(ctx, direction, table, kind, offsets, functions):
        ctx.save_for_backward(direction, table, kind, offsets)
        ctx.functions = functions
        return torch.ops.atnn.triples(table, direction, kind, offsets, *functions.arguments)

    @staticmethod
    def backward(ctx, gradient):
        direction, *saved = ctx.saved_tensors
        by_direction = _Gradient.apply(gradient, *saved, ctx.functions) if ctx.needs_input_grad[0] else None
        by_table = _Curvature.apply(direction, gradient, *saved, ctx.functions) if ctx.needs_input_grad[1] else None
        return by_direction, by_table, None, None, None


class _Curvature(torch.autograd.Function):
    """Derivative by the table of the derivative along a direction of ``sum(gradient * sums)``."""

    @staticmethod
    def forward(ctx, direction, gradient, table, kind, offsets, functions):
        return torch.ops.atnn.triples_gradient(table, direction, gradient, kind, offsets, *functions.arguments)

    @staticmethod
    def backward(ctx, gradient):
        raise SpecificationError(
            "the compiled kernels have no third derivatives of sums over triples",
            where="atnn.kernels.triples",
            remedy="set the environment variable ATNN_KERNELS=reference",
        )
