"""A basis of atomic orbitals: what the rows and columns of a Hamiltonian mean.

A Hamiltonian without its basis is a table of numbers. The basis says which shells each element has and how a program
orders the orbitals of a shell. It is stated once, in the model, and every matrix is held against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
import torch
from ase.data import atomic_numbers, chemical_symbols
from jaxtyping import Float, Int
from pydantic import Field, field_validator
from torch import Tensor

from atnn.errors import DataError, SpecificationError
from atnn.quantities import QUANTITIES, Quantity
from atnn.specification import Specification
from atnn.units import ENERGY, NUMBER

Convention = Literal["pyscf", "tblite"]
HIGHEST_SHELL = 4
MATRICES = ("hamiltonian", "overlap")  # rows that the table of quantities has once a basis is declared
Shells = Annotated[tuple[Annotated[int, Field(ge=0, le=HIGHEST_SHELL)], ...], Field(min_length=1, max_length=64)]


class Basis(Specification):
    """Shells of every element, and the order of the orbitals.

    The orbitals of an atom stand shell after shell. Within a shell, ``pyscf`` orders p as x, y, z and the others by
    m = -l ... l (sine functions have negative m); ``tblite`` orders all of them by m = -l ... l, so p is y, z, x. In
    both, all signs are those of Racah's real harmonics (p along the axes). Shells are contracted functions: a
    contraction of the basis set with two columns is two shells.

    Attributes:
        name: Name of the basis set or method, for the program that computes overlaps, such as ``def2-svp`` or
            ``GFN2-xTB``.
        convention: Program whose order of orbitals the matrices have.
        shells: Element -> angular momentum of each of its shells, in the order of the program.
        cores: Element -> number of electrons that the basis leaves out: those of an effective core potential, or all
            that are no valence electrons in tight binding. None where not given.
    """

    name: str = Field(min_length=1)
    convention: Convention = "pyscf"
    shells: dict[str, Shells] = Field(min_length=1)
    cores: dict[str, Annotated[int, Field(ge=0)]] = Field(default={})

    @field_validator("shells", "cores")
    @classmethod
    def _real_elements(cls, given: dict[str, object]) -> dict[str, object]:
        unknown = [symbol for symbol in given if atomic_numbers.get(symbol, 0) < 1]
        if unknown:
            raise ValueError(f"no elements: {', '.join(unknown)}")
        return dict(sorted(given.items(), key=lambda item: atomic_numbers[item[0]]))

    @property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers that the basis has shells for."""
        return tuple(atomic_numbers[symbol] for symbol in self.shells)

    @property
    def degree(self) -> int:
        """Largest angular momentum."""
        return max(max(shells) for shells in self.shells.values())

    @property
    def width(self) -> int:
        """Largest number of orbitals of an element, which is the size of the padded blocks."""
        return max(self.count_orbitals(number) for number in self.elements)

    def list_shells(self, number: int) -> tuple[int, ...]:
        """List the angular momenta of the shells of an element.

        Raises:
            DataError: The basis has none.
        """
        symbol = chemical_symbols[number]
        if symbol not in self.shells:
            raise DataError(
                f"the basis {self.name} states no shells of {symbol}",
                remedy=f"add `{symbol}: [0, 0, 1]` or what they are to its shells",
            )
        return self.shells[symbol]

    def count_orbitals(self, number: int) -> int:
        """Count the orbitals of an element."""
        return sum(2 * degree + 1 for degree in self.list_shells(number))

    def count_electrons(self, number: int) -> int:
        """Count the electrons of the neutral atom that occupy orbitals of the basis."""
        return number - self.cores.get(chemical_symbols[number], 0)

    def order_components(self, degree: int) -> tuple[int, ...]:
        """Find, for each orbital of a shell, its component in :func:`atnn.so3.solid_harmonics`."""
        if degree == 1 and self.convention == "pyscf":
            return (0, 1, 2)
        sines = (2 * (degree - m) + 1 for m in range(degree, 0, -1))
        cosines = (2 * (degree - m) for m in range(1, degree + 1))
        return (*sines, 2 * degree, *cosines)

    def slice_shells(self, number: int) -> list[tuple[int, list[int]]]:
        """List angular momentum and orbitals of each shell, the orbitals in the order of our harmonics."""
        found, start = [], 0
        for degree in self.list_shells(number):
            order = self.order_components(degree)
            found.append((degree, [start + order.index(component) for component in range(2 * degree + 1)]))
            start += 2 * degree + 1
        return found

    def declare(self) -> None:
        """Add the rows ``hamiltonian`` and ``overlap`` for this basis to the table of quantities.

        A row of the table has one shape, so the block of each pair of atoms is padded with zeros to :attr:`width`. A
        process works with one width at a time, that of the basis declared last.
        """
        sizes = tuple((number, self.count_orbitals(number)) for number in self.elements)
        QUANTITIES.update({name: _make_row(name, self.width, sizes) for name in MATRICES})

    def split(self, matrix: Float[np.ndarray, "orbitals orbitals"], numbers: Sequence[int]) -> np.ndarray:
        """Cut the matrix of a structure into the padded blocks of its pairs of atoms, [atoms^2, width, width].

        Raises:
            DataError: The matrix has another number of orbitals than the basis.
        """
        index = self._index(numbers)
        total = int((index >= 0).sum())
        if np.shape(matrix) != (total, total):
            raise DataError(
                f"a matrix of the shape {np.shape(matrix)} for {total} orbitals of the basis {self.name}",
                remedy="state the basis that the matrix was computed in",
            )
        padded = np.zeros((total + 1, total + 1))
        padded[:-1, :-1] = matrix
        blocks = padded[index[:, None, :, None], index[None, :, None, :]]
        return blocks.reshape(-1, self.width, self.width)

    def join(
        self, blocks: Float[Tensor, "pairs width width"], numbers: Int[Tensor, " atoms"]
    ) -> Float[Tensor, "orbitals orbitals"]:
        """Put the blocks of one structure together to its matrix, the inverse of :meth:`split`.

        Raises:
            DataError: The blocks have another size, or are not one for each pair of atoms.
        """
        atoms, width = len(numbers), self.width
        if blocks.shape != (atoms**2, width, width):
            raise DataError(
                f"blocks of the shape {tuple(blocks.shape)}, expected {(atoms**2, width, width)}",
                remedy="give the blocks of one structure, in the basis that the model states",
            )
        present = torch.from_numpy((self._index(numbers.tolist()) >= 0).ravel()).to(blocks.device)
        whole = blocks.reshape(atoms, atoms, width, width).transpose(1, 2).reshape(atoms * width, atoms * width)
        return whole[present][:, present]

    def _index(self, numbers: Sequence[int]) -> np.ndarray:
        """Orbital of each row of the padded blocks of each atom, -1 for padding."""
        counts = np.array([self.count_orbitals(number) for number in numbers])
        ends = np.cumsum(counts)
        within = np.arange(self.width)
        return np.where(within < counts[:, None], (ends - counts)[:, None] + within, -1)


def _make_row(name: str, width: int, sizes: tuple[tuple[int, int], ...]) -> Quantity:
    dimension, keys = (ENERGY, ("fock",)) if name == "hamiltonian" else (NUMBER, ())
    return Quantity(
        name, axis="atom_pair", shape=(width, width), dimension=dimension, extensive=False, rank=0, parity=1,
        symmetric=True, keys=keys, display=None if name == "hamiltonian" else ("1", 1.0), sizes=sizes,
    )  # fmt: skip


def require_basis(basis: Basis | None, elements: Sequence[int]) -> Basis:
    """Check that a basis is given and has shells for all elements.

    Raises:
        SpecificationError: It is not, or has not.
    """
    if basis is None:
        raise SpecificationError(
            "a hamiltonian has no meaning without its basis",
            where="model.basis",
            remedy="state it; find_basis('def2-svp', ['H', 'O']) of atnn.labelling writes one",
        )
    missing = [chemical_symbols[z] for z in elements if z not in basis.elements]
    if missing:
        raise SpecificationError(
            f"the basis {basis.name} states no shells of {', '.join(missing)}",
            where="model.basis",
            remedy=f"add `{missing[0]}: [0, 0, 1]` or what they are to its shells",
        )
    return basis
