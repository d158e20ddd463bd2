"""Blocks of a matrix of orbitals from spherical tensors, for all pairs of elements at once.

The elements differ in their shells. Here every atom has as many shells of each degree as the element with most of them;
these *common* orbitals are ordered by degree, and by our harmonics within a shell. Orbitals that an element lacks are
dropped at the end.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import pad

from atnn.basis import Basis
from atnn.so3 import coupling

Kind = tuple[int, int]  # degree L of a tensor, and 0 for the parity of a harmonic of that degree or 1 for the other one


class BlockLayout(nn.Module):
    """Linear map from tensors to blocks, and from common orbitals to those of a pair of elements.

    Args:
        basis: Shells and order of the orbitals.
        numbers: Atomic numbers of the elements of the model.

    Attributes:
        degree: Largest degree of the tensors.
        channels: Degree and parity of a tensor -> number of pairs of common shells to which it contributes.
    """

    places: Tensor
    shells: Tensor

    def __init__(self, basis: Basis, numbers: Sequence[int]):
        super().__init__()
        self.basis, self.numbers = basis, tuple(numbers)
        own = [basis.list_shells(number) for number in numbers]
        self.common = sorted(
            degree for degree in range(basis.degree + 1) for _ in range(max(s.count(degree) for s in own))
        )
        self.starts = np.cumsum([0, *(2 * degree + 1 for degree in self.common)])
        self.size = int(self.starts[-1])
        self.degree = 2 * self.common[-1]
        columns = self._list_columns()
        self.channels: dict[Kind, int] = {kind: len(pairs) for kind, pairs in columns.items()}
        # No buffer, because a change of the module's floating-point type would round it.
        self.mixing = np.concatenate([self._mix(kind, pairs) for kind, pairs in columns.items()])
        pairs = [pair for kind, found in columns.items() for _ in range(2 * kind[0] + 1) for pair in found]
        self.register_buffer("places", torch.tensor([self._place(number) for number in numbers]), persistent=False)
        self.register_buffer("shells", torch.tensor(pairs).T.contiguous(), persistent=False)

    def kinds(self) -> list[Kind]:
        """Degrees and parities of the tensors, in the order in which :meth:`build` takes them."""
        return list(self.channels)

    def build(
        self, parts: Sequence[Float[Tensor, "rows _ _"]], scale: Float[Tensor, "rows shells shells"]
    ) -> Float[Tensor, "rows common common"]:
        """Build the blocks of common orbitals from tensors of all :meth:`kinds`.

        Args:
            parts: The tensors; the channels are the pairs of common shells.
            scale: Factor for each pair of common shells.
        """
        flat = torch.cat([part.flatten(1) for part in parts], dim=1)
        scaled = flat * scale[:, self.shells[0], self.shells[1]]
        return (scaled @ flat.new_tensor(self.mixing)).unflatten(1, (self.size, self.size))

    def choose(
        self,
        blocks: Float[Tensor, "rows common common"],
        first: Int[Tensor, " rows"],
        second: Int[Tensor, " rows"],
    ) -> Float[Tensor, "rows width width"]:
        """Choose the orbitals that the elements of the rows have, in the order of the basis, padded with zeros."""
        rows, columns = (self.places.index_select(0, element) for element in (first, second))
        blocks = pad(blocks, (0, 1, 0, 1))
        blocks = blocks.gather(1, rows[:, :, None].expand(-1, -1, self.size + 1))
        return blocks.gather(2, columns[:, None].expand(-1, rows.shape[1], -1))

    def slice_shells(self, a: int, b: int) -> tuple[slice, slice]:
        """Rows and columns of the block of two common shells."""
        return slice(self.starts[a], self.starts[a + 1]), slice(self.starts[b], self.starts[b + 1])

    def restore(self, block: Float[np.ndarray, "width width"], first: int, second: int) -> np.ndarray:
        """Put a block of a pair of elements, by their rows, into common orbitals; NaN where they have none."""
        common = np.full((self.size + 1, self.size + 1), np.nan)
        common[np.ix_(self.places[first].tolist(), self.places[second].tolist())] = block
        return common[:-1, :-1]

    def _list_columns(self) -> dict[Kind, list[tuple[int, int]]]:
        """Pairs of common shells of each kind of tensor."""
        found: dict[Kind, list[tuple[int, int]]] = {}
        for a, first in enumerate(self.common):
            for b, second in enumerate(self.common):
                for degree in range(abs(first - second), first + second + 1):
                    found.setdefault((degree, (first + second + degree) % 2), []).append((a, b))
        return dict(sorted(found.items()))

    def _mix(self, kind: Kind, pairs: Sequence[tuple[int, int]]) -> np.ndarray:
        """Rows of the matrix that maps the components of all tensors to the elements of the block."""
        table = np.zeros((2 * kind[0] + 1, len(pairs), self.size, self.size))
        for channel, (a, b) in enumerate(pairs):
            block = coupling(self.common[a], self.common[b], kind[0])
            table[(slice(None), channel, *self.slice_shells(a, b))] = block.transpose(2, 0, 1)
        return table.reshape(-1, self.size**2)

    def _place(self, number: int) -> list[int]:
        """Common orbital of each orbital of an element; beyond the last one for padding."""
        places, used = [self.size] * self.basis.width, dict.fromkeys(range(self.common[-1] + 1), 0)
        for degree, orbitals in self.basis.slice_shells(number):
            start = int(self.starts[self.common.index(degree) + used[degree]])
            for component, orbital in enumerate(orbitals):
                places[orbital] = start + component
            used[degree] += 1
        return places
