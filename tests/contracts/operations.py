"""Every operation of ``atnn.kernels`` with its definition, written down once more in plain PyTorch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from atnn import kernels
from atnn.kernels import TripleFunctions
from atnn.kernels.moments import WIDTHS
from atnn.model import group_elements
from atnn.so3 import couplings
from atnn.structures import Edges, Elements


class Graph(NamedTuple):
    """Who is a neighbor of whom, and which atoms are of one element."""

    i: Tensor
    j: Tensor
    reverse: Tensor | None
    offsets: Tensor
    elements: Elements

    @property
    def edges(self) -> Edges:
        """As operations take them that read no geometry."""
        lengths = torch.ones(self.sizes[1])
        return Edges(self.i, self.j, self.reverse, self.offsets, lengths[:, None].expand(-1, 3), lengths)

    @property
    def sizes(self) -> tuple[int, int]:
        """Numbers of atoms and pairs."""
        return self.offsets.shape[0] - 1, self.i.shape[0]

    def to(self, dtype: torch.dtype) -> Graph:
        """With another floating-point type of the elements."""
        return self._replace(elements=self.elements._replace(filled=self.elements.filled.to(dtype)))


def make_graph(atoms: int, half: Iterable[tuple[int, int]], one_sided: bool = False) -> Graph:
    """A sorted list of pairs from each pair once; of both directions, unless it is one-sided."""
    once = [(i, j, number, 0) for number, (i, j) in enumerate(half)]
    pairs = sorted(once if one_sided else [*once, *((j, i, number, 1) for i, j, number, _ in once)])
    place = {pair[2:]: index for index, pair in enumerate(pairs)}
    reverse = None if one_sided else torch.tensor([place[n, 1 - side] for *_, n, side in pairs], dtype=torch.int64)
    i, j = (torch.tensor([pair[k] for pair in pairs], dtype=torch.int64) for k in (0, 1))
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), torch.bincount(i, minlength=atoms).cumsum(0)])
    return Graph(i, j, reverse, offsets, group_elements(torch.arange(atoms) % 3, 3))


def _several(seed: int = 0) -> list[tuple[int, int]]:
    """Pairs of 10 atoms: many of the same two, some of an atom with its image; atom 4 has none, atom 0 more than 32."""
    drawn = torch.randint(0, 9, (60, 2), generator=torch.Generator().manual_seed(seed)).tolist()
    drawn[:30] = [[0, neighbor] for _, neighbor in drawn[:30]]
    return [tuple(9 if atom == 4 else atom for atom in pair) for pair in drawn]


# The first is small enough for numerical derivatives; its atom 1 has no neighbors.
GRAPHS = {
    "small": make_graph(4, [(0, 2), (0, 3), (0, 3), (2, 3)]),
    "several": make_graph(10, _several()),
    "one-sided": make_graph(10, _several(), one_sided=True),
    "without reverse": make_graph(10, _several())._replace(reverse=None),
    "no pairs": make_graph(3, []),
    "one atom": make_graph(1, []),
}

Random = Callable[..., Tensor]


class Operation(NamedTuple):
    """One operation.

    Attributes:
        arguments: Random floating-point arguments for a graph and a setting.
        call: The operation, of a graph, a setting and the arguments.
        definition: The same in plain PyTorch.
        settings: Widths and the like that the kernels treat in different ways, the smallest first.
        reverse: Whether it exists only for lists of both directions.
        traceable: Whether the plain version can be traced, too.
    """

    arguments: Callable[[Graph, Any, Random], list[Tensor]]
    call: Callable[..., Any]
    definition: Callable[..., Any]
    settings: tuple = (1, 3, 8, 16, 21)
    reverse: bool = False
    traceable: bool = True


def _over_atoms(graph: Graph, index: Tensor, rows: Tensor) -> Tensor:
    """Sum of the rows of pairs that belong to each atom."""
    return (torch.arange(graph.sizes[0])[:, None] == index).to(rows.dtype) @ rows.flatten(1)


def _degrees(size: int, degrees: int) -> list[int]:
    return [math.isqrt(m) if degrees > 1 else 0 for m in range(size)]


def _messages(graph: Graph, setting: tuple, weights: Tensor, nodes: Tensor) -> Tensor:
    parts = weights[:, _degrees(nodes.shape[1], weights.shape[1])] * nodes[graph.j]
    return _over_atoms(graph, graph.i, parts).reshape(-1, *nodes.shape[1:])


def _overlaps(graph: Graph, setting: tuple, centers: Tensor, neighbors: Tensor) -> Tensor:
    belongs = torch.nn.functional.one_hot(torch.tensor(_degrees(centers.shape[1], setting[1]))).to(centers.dtype)
    return torch.einsum("emk,emk,ml->elk", centers[graph.i], neighbors[graph.j], belongs)


def _couple(graph: Graph, setting: tuple, a: Tensor, b: Tensor, weights: Tensor) -> Tensor:
    dense = torch.zeros(a.shape[1], b.shape[1], weights.shape[1], a.shape[1], dtype=a.dtype)
    for p, q, s, r, coefficient in couplings(setting[0])[1]:
        dense[p, q, s, r] += coefficient
    return torch.einsum("npk,nqk,nsk,pqsr->nrk", a, b, weights, dense)


def _to_blocks(graph: Graph, setting: int, atoms: Tensor) -> Tensor:
    slots, filled = graph.elements.slots, graph.elements.filled.to(atoms.dtype)
    return (torch.nn.functional.one_hot(slots, len(atoms)).to(atoms.dtype) @ atoms) * filled[:, :, None]


def _kinds(graph: Graph, kinds: int = 3) -> Tensor:
    return graph.j % kinds


def _gaussian_table(setting: tuple[int, int], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    rows, channels = setting
    exponents = 0.1 + torch.arange(3 * 4 * channels, dtype=dtype).reshape(3, 4, channels).remainder(7) / 5
    amplitudes = torch.sin(torch.arange(3 * rows * 4 * channels, dtype=dtype)).reshape(3, rows, 4, channels)
    return exponents, amplitudes


def _gaussian_sums(graph: Graph, setting: tuple[int, int], square: Tensor) -> Tensor:
    exponents, amplitudes = (table[_kinds(graph)] for table in _gaussian_table(setting, square.dtype))
    return torch.einsum("engk,egk->nek", amplitudes, torch.exp(-exponents * square[:, None, None]))


def _cosine_squared(graph: Graph, order: int, lengths: Tensor) -> Tensor:
    """Derivatives by automatic differentiation of the published function."""
    with torch.enable_grad():
        start = lengths if lengths.requires_grad else lengths.detach().requires_grad_()
        value = torch.where(start < 5.0, (0.5 * torch.cos(math.pi * start / 5.0) + 0.5) ** 2, 0.0)
        for _ in range(order):
            (value,) = torch.autograd.grad(value.sum(), start, create_graph=True)
    return value


def _triple_functions(setting: tuple[int, int]) -> TripleFunctions:
    kinds, envelope = setting
    functions = ((0, 1, 1), (0, 1, -1), (0, 4, 1), (1, 2, 1), (1, 7, -1), (2, 1, 1), (2, 16, 1))
    return TripleFunctions(kinds, 2.5, envelope, etas=(0.1, 0.7, 0.1), narrow=(1, 1, 0), functions=functions)


def _triple_arguments(graph: Graph, setting: tuple[int, int], random: Random) -> list[Tensor]:
    vectors = random(graph.sizes[1], 3)
    lengths = 1.2 * vectors.norm(dim=1)
    return [vectors / vectors.norm(dim=1, keepdim=True), lengths, random(graph.sizes[1], 3).abs() + 0.1]


def _triples(graph: Graph, setting: tuple[int, int], unit: Tensor, lengths: Tensor, radial: Tensor) -> Tensor:
    """From a list of all triples."""
    functions = _triple_functions(setting)
    kind, rows = _kinds(graph, functions.kinds).tolist(), functions.kinds * (functions.kinds + 1) // 2
    found: list[tuple[int, int, int]] = []
    for atom, (first, end) in enumerate(itertools.pairwise(graph.offsets.tolist())):
        inside = [e for e in range(first, end) if float(lengths[e].detach()) < functions.cutoff]
        for j, k in itertools.combinations(inside, 2):
            a, b = sorted((kind[j], kind[k]))
            found.append((atom * rows + b * (b + 1) // 2 + a, j, k))
    place, j, k = torch.tensor(found, dtype=torch.int64).reshape(-1, 3).T
    cosine = (unit[j] * unit[k]).sum(1)
    apart = (lengths[j] ** 2 + lengths[k] ** 2 - 2 * lengths[j] * lengths[k] * cosine).clamp(min=1e-14).sqrt()
    wave = torch.cos(math.pi * apart / functions.cutoff / 2) * (apart < functions.cutoff)
    columns = []
    for w, zeta, sign in functions.functions:
        near = torch.exp(-functions.etas[w] * apart**2) * wave**functions.envelope if functions.narrow[w] else 1.0
        columns.append(2 ** (1 - zeta) * (1 + sign * cosine) ** zeta * radial[j, w] * radial[k, w] * near)
    belongs = (torch.arange(graph.sizes[0] * rows)[:, None] == place).to(unit.dtype)
    return (belongs @ torch.stack(columns, 1)).reshape(graph.sizes[0], rows, len(columns))


def _half(graph: Graph) -> tuple[Tensor, Tensor, Tensor]:
    """Each pair once, with shifts that tell all pairs apart."""
    pairs = torch.arange(graph.sizes[1], dtype=torch.int32) + 1
    return graph.i, graph.j, torch.stack([pairs, -pairs, pairs * 3], 1)


def _mirrored(graph: Graph, setting: None) -> tuple[Tensor, ...]:
    once = list(zip(*(part.tolist() for part in _half(graph)), strict=True))
    numbered = [(i, j, shift, n, 0) for n, (i, j, shift) in enumerate(once)]
    numbered += [(j, i, [-s for s in shift], n, 1) for n, (i, j, shift) in enumerate(once)]
    ordered = sorted(numbered, key=lambda pair: pair[0])
    place = {pair[3:]: index for index, pair in enumerate(ordered)}
    i, j = (torch.tensor([pair[k] for pair in ordered], dtype=torch.int64) for k in (0, 1))
    shifts = torch.tensor([pair[2] for pair in ordered], dtype=torch.int32).reshape(-1, 3)
    reverse = torch.tensor([place[n, 1 - side] for *_, n, side in ordered], dtype=torch.int64)
    return i, j, shifts, reverse, torch.searchsorted(i, torch.arange(graph.sizes[0] + 1))


_ANGULAR = tuple((width, channels) for width in (4, 6, *WIDTHS) for channels in (1, 3, 8, 16, 21))
_SPHERICAL = tuple((degree, degrees, k) for degree in range(4) for degrees in {1, degree + 1} for k in (1, 3, 16, 29))


def _rows(of: str, *inner: int) -> Callable[[Graph, Any, Random], list[Tensor]]:
    """Arguments with one row for each atom or pair, whose last size is the setting."""
    return lambda graph, channels, random: [random(graph.sizes[of == "pairs"], *inner, channels)]


OPERATIONS: dict[str, Operation] = {
    "gather_centers": Operation(
        _rows("atoms"), lambda g, s, x: kernels.gather_centers(x, g.i, g.offsets), lambda g, s, x: x[g.i]
    ),
    "gather_neighbors": Operation(
        _rows("atoms"), lambda g, s, x: kernels.gather_neighbors(x, g.j, g.reverse, g.offsets), lambda g, s, x: x[g.j]
    ),
    "gather_reverse": Operation(
        _rows("pairs"),
        lambda g, s, x: kernels.gather_reverse(x, g.reverse),
        lambda g, s, x: x[g.reverse],
        reverse=True,
    ),
    "sum_centers": Operation(
        _rows("pairs"),
        lambda g, s, x: kernels.sum_centers(x, g.i, g.offsets),
        lambda g, s, x: _over_atoms(g, g.i, x),
    ),
    "sum_neighbors": Operation(
        _rows("pairs"),
        lambda g, s, x: kernels.sum_neighbors(x, g.j, g.reverse, g.offsets),
        lambda g, s, x: _over_atoms(g, g.j, x),
    ),
    "moments": Operation(
        lambda g, s, random: [random(g.sizes[1], s[0]), random(g.sizes[1], s[1])],
        lambda g, s, a, b: kernels.moments(a, b, g.i, g.offsets),
        lambda g, s, a, b: _over_atoms(g, g.i, a[:, :, None] * b[:, None]).reshape(-1, *s),
        _ANGULAR,
    ),
    "contract_angular": Operation(
        lambda g, s, random: [random(g.sizes[1], s[0]), random(g.sizes[0], *s)],
        lambda g, s, a, nodes: kernels.contract_angular(a, nodes, g.i, g.offsets),
        lambda g, s, a, nodes: torch.einsum("em,emk->ek", a, nodes[g.i]),
        _ANGULAR,
    ),
    "contract_radial": Operation(
        lambda g, s, random: [random(g.sizes[1], s[1]), random(g.sizes[0], *s)],
        lambda g, s, b, nodes: kernels.contract_radial(b, nodes, g.i, g.offsets),
        lambda g, s, b, nodes: torch.einsum("ek,emk->em", b, nodes[g.i]),
        _ANGULAR,
    ),
    "messages": Operation(
        lambda g, s, random: [random(g.sizes[1], s[1], s[2]), random(g.sizes[0], (s[0] + 1) ** 2, s[2])],
        lambda g, s, weights, nodes: kernels.messages(weights, nodes, g.edges),
        _messages,
        _SPHERICAL,
    ),
    "overlaps": Operation(
        lambda g, s, random: [random(g.sizes[0], (s[0] + 1) ** 2, s[2]) for _ in range(2)],
        lambda g, s, x, y: kernels.overlaps(x, y, g.edges, s[1]),
        _overlaps,
        _SPHERICAL,
    ),
    "weighted_neighbor_sum": Operation(
        lambda g, s, random: [random(g.sizes[1]), random(g.sizes[0], s)],
        lambda g, s, weights, nodes: kernels.weighted_neighbor_sum(weights, nodes, g.edges),
        lambda g, s, weights, nodes: _over_atoms(g, g.i, weights[:, None] * nodes[g.j]),
        (1, 5, 16, 39),
    ),
    "pair_products": Operation(
        lambda g, s, random: [random(g.sizes[0], s), random(g.sizes[0], s)],
        lambda g, s, x, y: kernels.pair_products(x, y, g.edges),
        lambda g, s, x, y: (x @ y.T)[g.i, g.j],
        (1, 5, 16, 39),
    ),
    "couple": Operation(
        lambda g, s, random: [random(g.sizes[0], n, s[1]) for n in (*[(s[0] + 1) ** 2] * 2, len(couplings(s[0])[0]))],
        lambda g, s, a, b, w: kernels.couple(a, b, w, couplings(s[0])[1], (s[0] + 1) ** 2),
        _couple,
        ((1, 1), (1, 8), (2, 1), (2, 8), (2, 21)),
    ),
    "gaussian_sums": Operation(
        lambda g, s, random: [random(g.sizes[1]) ** 2],
        lambda g, s, square: kernels.gaussian_sums(square, _kinds(g), *_gaussian_table(s, square.dtype)),
        _gaussian_sums,
        tuple((rows, channels) for rows in range(1, 8) for channels in (1, 3, 16)),
    ),
    "cosine_squared": Operation(
        lambda g, s, random: [random(g.sizes[1]).abs() * 3 + 0.01],
        lambda g, order, lengths: kernels.cosine_squared(lengths, 5.0, order),
        _cosine_squared,
        tuple(range(6)),
    ),
    "triples": Operation(
        _triple_arguments,
        lambda g, s, *x: kernels.triples(*x, _kinds(g, s[0]), g.offsets, _triple_functions(s)),
        _triples,
        ((3, 4), (3, 2), (1, 4)),
        traceable=False,
    ),
    "to_blocks": Operation(_rows("atoms"), lambda g, s, x: kernels.to_blocks(x, g.elements), _to_blocks),
    "from_blocks": Operation(
        lambda g, s, random: [random(*g.elements.slots.shape, s)],
        lambda g, s, blocks: kernels.from_blocks(blocks, g.elements),
        lambda g, s, blocks: blocks.flatten(0, 1)[g.elements.place],
    ),
    "mirror_pairs": Operation(
        lambda g, s, random: [], lambda g, s: kernels.mirror_pairs(*_half(g), g.sizes[0]), _mirrored, (None,)
    ),
}
