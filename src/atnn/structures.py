"""The central types are batches of structures, their labels, pairs of neighbors, and features."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from ase import Atoms
from ase.constraints import FixAtoms
from jaxtyping import Bool, Float, Int
from torch import Tensor

from atnn.atoms import convert_atoms
from atnn.errors import DataError
from atnn.quantities import AXES, Axis
from atnn.stated import ADSORBATE, MARKS, STATED

HIGHEST = 9  # no representation has features of a higher degree


@dataclass(frozen=True, slots=True)
class Structures:
    """A batch of structures; one structure is a batch of one.

    Attributes:
        positions: Cartesian positions [Angstrom].
        numbers: Atomic numbers.
        cell: Lattice vectors as rows [Angstrom]; zero if there are none.
        pbc: Periodicity along each lattice vector.
        batch: Structure of each atom, ascending.
        charge: Total charge [e], or None if it is not stated.
        spin: Number of unpaired electrons, or None.
        field: Uniform external electric field [V/Angstrom], or None.
        fixed: Atoms that dynamics and relaxation leave where they are, or None if there are none.
        adsorbate: Atoms of the adsorbate, which friction acts on, or None if there are none.
    """

    positions: Float[Tensor, "atoms 3"]
    numbers: Int[Tensor, " atoms"]
    cell: Float[Tensor, "structures 3 3"]
    pbc: Bool[Tensor, "structures 3"]
    batch: Int[Tensor, " atoms"]
    charge: Float[Tensor, " structures"] | None = None
    spin: Int[Tensor, " structures"] | None = None
    field: Float[Tensor, "structures 3"] | None = None
    fixed: Bool[Tensor, " atoms"] | None = None
    adsorbate: Bool[Tensor, " atoms"] | None = None

    def __len__(self) -> int:
        """Number of structures."""
        return self.cell.shape[0]

    @property
    def stated(self) -> dict[str, Tensor]:
        """Values of :data:`STATED` that are not None."""
        return {name: value for name in STATED if (value := getattr(self, name)) is not None}

    @property
    def marks(self) -> dict[str, Tensor]:
        """Values of :data:`MARKS` that are not None."""
        return {name: value for name in MARKS if (value := getattr(self, name)) is not None}

    @property
    def counts(self) -> Int[Tensor, " structures"]:
        """Number of atoms of each structure."""
        return torch.bincount(self.batch, minlength=len(self))

    @property
    def total_charge(self) -> Float[Tensor, " structures"]:
        """Total charges [e], zero if not stated."""
        return self.cell.new_zeros(self.cell.shape[0]) if self.charge is None else self.charge

    @property
    def applied_field(self) -> Float[Tensor, "structures 3"]:
        """External electric field [V/Angstrom], zero if not stated."""
        return self.cell.new_zeros((self.cell.shape[0], 3)) if self.field is None else self.field

    @property
    def fixed_atoms(self) -> Bool[Tensor, " atoms"]:
        """Which atoms are fixed, none if it is not stated."""
        return torch.zeros_like(self.batch, dtype=torch.bool) if self.fixed is None else self.fixed

    @property
    def adsorbate_atoms(self) -> Bool[Tensor, " atoms"]:
        """Which atoms are of the adsorbate, none if it is not stated."""
        return torch.zeros_like(self.batch, dtype=torch.bool) if self.adsorbate is None else self.adsorbate

    @property
    def volumes(self) -> Float[Tensor, " structures"]:
        """Cell volumes [Angstrom^3]."""
        return torch.linalg.det(self.cell).abs()

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Structures:
        """Copy to another device, or to another floating-point type."""
        return Structures(**{f.name: _move(getattr(self, f.name), device, dtype) for f in fields(self)})

    def select(
        self, indices: Sequence[int] | np.ndarray | Int[Tensor, " selected"] | Bool[Tensor, " structures"] | slice
    ) -> Structures:
        """Select structures by indices, in their order, or by a mask."""
        if isinstance(indices, slice):
            indices = range(*indices.indices(len(self)))
        order = indices if isinstance(indices, Tensor) else torch.as_tensor(np.asarray(indices))
        order = order.nonzero()[:, 0] if order.dtype == torch.bool else order.to(torch.int64)
        order = order.to(self.cell.device)
        atoms = self.atoms_of(order)
        batch = torch.repeat_interleave(torch.arange(len(order), device=order.device), self.counts[order])
        return Structures(
            positions=self.positions[atoms],
            numbers=self.numbers[atoms],
            cell=self.cell[order],
            pbc=self.pbc[order],
            batch=batch,
            **{name: value[atoms] for name, value in self.marks.items()},
            **{name: value[order] for name, value in self.stated.items()},
        )

    def singles(self) -> list[Structures]:
        """Split the batch into single structures, which are views and no copies."""
        ends = torch.cumsum(self.counts, 0).tolist()
        return [
            Structures(
                positions=self.positions[start:end],
                numbers=self.numbers[start:end],
                cell=self.cell[index : index + 1],
                pbc=self.pbc[index : index + 1],
                batch=torch.zeros_like(self.batch[start:end]),
                **{name: value[start:end] for name, value in self.marks.items()},
                **{name: value[index : index + 1] for name, value in self.stated.items()},
            )
            for index, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True))
        ]

    def atoms_of(self, order: Int[Tensor, " selected"]) -> Int[Tensor, " selected_atoms"]:
        """Find the indices of all atoms of the given structures, structure by structure."""
        return self.select_rows("atom", order)

    def count_rows(self, axis: Axis) -> Int[Tensor, " structures"]:
        """Count the rows that a quantity of this axis has in each structure."""
        if axis == "structure":
            return torch.ones_like(self.counts)
        if axis in ("atom", "atom_pair"):
            single = self.counts
        else:
            single = torch.bincount(self.batch[self.adsorbate_atoms], minlength=len(self))
        return single**2 if axis.endswith("_pair") else single

    @property
    def totals(self) -> dict[Axis, int]:
        """Number of rows that quantities of each axis have in the whole batch."""
        return {axis: int(self.count_rows(axis).sum()) for axis in AXES}

    def rows(self, axis: Axis) -> Int[Tensor, " rows"]:
        """Find the structure of each row of a quantity of this axis. Rows are ordered by structure."""
        if axis == "atom":
            return self.batch
        order = torch.arange(len(self), device=self.batch.device)
        return order if axis == "structure" else torch.repeat_interleave(order, self.count_rows(axis))

    def pairs(self, axis: Axis) -> Int[Tensor, "2 rows"]:
        """Find the first and the second atom of each row of ``atom_pair`` or ``adsorbate_pair``.

        The pairs of a structure are ordered: (0, 0), (0, 1), ..., (1, 0), ..., so that their values are a matrix.
        """
        chosen = torch.arange(len(self.batch), device=self.batch.device)
        chosen = chosen if axis == "atom_pair" else chosen[self.adsorbate_atoms]
        counts = torch.bincount(self.batch[chosen], minlength=len(self))
        each = counts[self.batch[chosen]]
        starts = (torch.cumsum(counts, 0) - counts)[self.batch[chosen]]
        first = torch.repeat_interleave(chosen, each)
        before = torch.repeat_interleave(torch.cumsum(each, 0) - each - starts, each)
        return torch.stack([first, chosen[torch.arange(len(first), device=first.device) - before]])

    def index_rows(self, axes: Collection[Axis], neighbors: Neighbors) -> Rows:
        """Find the atoms of the rows of quantities of these axes.

        Args:
            axes: The axes.
            neighbors: Pairs of neighbors that couple the atoms of adsorbates.
        """
        rows = Rows(
            adsorbates=self.adsorbate_atoms.nonzero()[:, 0] if {"adsorbate", "adsorbate_pair"} & {*axes} else None,
            atom_pairs=self.pairs("atom_pair") if "atom_pair" in axes else None,
        )
        if "adsorbate_pair" not in axes:
            return rows
        pairs = self.pairs("adsorbate_pair")
        row = torch.arange(pairs.shape[1], device=pairs.device)
        # Row of the pair of an atom with the first one of its adsorbate; that with another one is `place` rows later.
        first = torch.full_like(self.batch, len(row)).scatter_reduce(0, pairs[0], row, "amin")
        place = torch.zeros_like(self.batch).index_put((pairs[1],), row - first[pairs[0]])
        marked = self.adsorbate_atoms
        edges = (marked[neighbors.i] & marked[neighbors.j]).nonzero()[:, 0]
        i, j = neighbors.i[edges], neighbors.j[edges]
        couplings = torch.stack([edges, *(first[a] + place[b] for a, b in ((i, i), (j, j), (i, j), (j, i)))])
        diagonal = (pairs[0] == pairs[1]).nonzero()[:, 0]
        return rows._replace(adsorbate_pairs=pairs, diagonal=diagonal, couplings=couplings)

    def select_rows(self, axis: Axis, order: Int[Tensor, " selected"]) -> Int[Tensor, " selected_rows"]:
        """Find the rows that a quantity of this axis has in the given structures, structure by structure."""
        if axis == "structure":
            return order
        counts = self.count_rows(axis)
        starts = torch.cumsum(counts, 0) - counts
        chosen = counts[order]
        ends = torch.cumsum(chosen, 0)
        within = torch.arange(int(chosen.sum()), device=order.device)
        return within + torch.repeat_interleave(starts[order] - (ends - chosen), chosen)

    @staticmethod
    def concatenate(parts: Iterable[Structures]) -> Structures:
        """Join several batches. What only some of them state (:data:`STATED`) counts as zero for the others."""
        parts = list(parts)
        if not parts:
            raise DataError("nothing to concatenate", remedy="give at least one structure")
        offsets = np.cumsum([0] + [len(part) for part in parts[:-1]])
        return Structures(
            positions=torch.cat([part.positions for part in parts]),
            numbers=torch.cat([part.numbers for part in parts]),
            cell=torch.cat([part.cell for part in parts]),
            pbc=torch.cat([part.pbc for part in parts]),
            batch=torch.cat([part.batch + int(o) for part, o in zip(parts, offsets, strict=True)]),
            **{name: _join_stated(parts, name) for name in STATED},
            **{name: _join_marks(parts, name) for name in MARKS},
        )

    @staticmethod
    def from_ase(atoms: Atoms | Iterable[Atoms], dtype: torch.dtype = torch.float64) -> Structures:
        """Make a batch of one or many ASE ``Atoms``.

        The fields of :data:`STATED` are read from ``atoms.info``: total charge, unpaired electrons and field under
        ``charge``, ``spin`` and ``electric_field``, fixed atoms from the constraint ``FixAtoms``, and atoms of an
        adsorbate from ``atoms.arrays["adsorbate"]``. Labels are not read here but by :mod:`atnn.reading`.

        Raises:
            DataError: A structure is empty, not finite, has no known element, is periodic with a cell of no volume,
                states what is no number, marks adsorbates by something else than truth values, or has constraints other
                than ``FixAtoms``; or what is given are no ``Atoms``.
        """
        frames = [atoms] if isinstance(atoms, Atoms) else list(atoms) if isinstance(atoms, Iterable) else [atoms]
        return Structures.concatenate(
            Structures(**convert_atoms(frame, index, dtype)) for index, frame in enumerate(frames)
        )

    def to_ase(self) -> list[Atoms]:
        """Convert the batch to ASE ``Atoms``.

        Stated values are under ``info``, fixed atoms are ``FixAtoms``, and adsorbates are in ``arrays["adsorbate"]``.
        """
        frames = []
        splits = np.split(np.arange(len(self.batch)), np.cumsum(self.counts.cpu().numpy()))[:-1]
        positions, numbers = self.positions.detach().cpu().double().numpy(), self.numbers.cpu().numpy()
        fixed = self.fixed_atoms.cpu().numpy()
        for index, atoms in enumerate(splits):
            frame = Atoms(
                numbers=numbers[atoms],
                positions=positions[atoms],
                cell=self.cell[index].detach().cpu().double().numpy(),
                pbc=self.pbc[index].cpu().numpy(),
            )
            for name, value in self.stated.items():
                number = value[index].detach().cpu().numpy()
                frame.info[STATED[name].key] = number.astype(np.float64) if number.ndim else number.item()
            if self.fixed is not None and bool(fixed[atoms].any()):
                frame.set_constraint(FixAtoms(mask=fixed[atoms]))
            if self.adsorbate is not None:
                frame.arrays[ADSORBATE] = self.adsorbate[atoms].cpu().numpy()
            frames.append(frame)
        return frames

    def replace(self, **changes) -> Structures:
        """Copy with other values, like :func:`dataclasses.replace`."""
        return replace(self, **changes)


class Labelled(NamedTuple):
    """Structures with reference values.

    Attributes:
        structures: The geometries.
        labels: Quantity name -> values in the package's units, [structures, ...] or [atoms, ...] as the table of
            quantities says; missing values are zero and masked out.
        masks: Quantity name -> True for each structure with that label, [structures].
    """

    structures: Structures
    labels: dict[str, Tensor]
    masks: dict[str, Bool[Tensor, " structures"]]


def _move(value: Any, device: torch.device | str | None, dtype: torch.dtype | None) -> Any:
    if not isinstance(value, Tensor):
        return value
    return value.to(device=device, dtype=dtype if value.is_floating_point() else None)


def _join_stated(parts: Sequence[Structures], name: str) -> Tensor | None:
    values = [getattr(part, name) for part in parts]
    given = next((v for v in values if v is not None), None)
    if given is None:
        return None
    zeros = (given.new_zeros((len(part), *given.shape[1:])) for part in parts)
    return torch.cat([z if v is None else v for v, z in zip(values, zeros, strict=True)])


def _join_marks(parts: Sequence[Structures], name: str) -> Tensor | None:
    if all(getattr(part, name) is None for part in parts):
        return None
    return torch.cat([getattr(part, f"{name}_atoms") for part in parts])


class Neighbors(NamedTuple):
    """Full list of pairs within a cutoff, both (i, j) and (j, i), sorted by the center.

    Attributes:
        i: Center of each pair.
        j: Neighbor of each pair.
        shifts: Lattice translations of the neighbor, in lattice vectors.
        reverse: Index of the pair (j, i, -shift). None for a one-sided list, as with ghost atoms, which are neighbors
            but not centers.
        offsets: Pairs of atom a are ``offsets[a]:offsets[a + 1]``.
    """

    i: Int[Tensor, " pairs"]
    j: Int[Tensor, " pairs"]
    shifts: Float[Tensor, "pairs 3"]
    reverse: Int[Tensor, " pairs"] | None
    offsets: Int[Tensor, " atoms_plus_1"]

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Neighbors:
        """Copy to another device, or with another floating-point type of the shifts."""
        i, j, shifts, offsets = (t.to(device=device) for t in (self.i, self.j, self.shifts, self.offsets))
        reverse = None if self.reverse is None else self.reverse.to(device=device)
        return Neighbors(i, j, shifts.to(dtype=dtype), reverse, offsets)


class Edges(NamedTuple):
    """Pairs with their geometry: ``vectors = r_j - r_i + shifts @ cell``.

    Attributes:
        i, j, reverse, offsets: As in :class:`Neighbors`.
        vectors: Vectors from center to neighbor [Angstrom].
        lengths: Lengths of the vectors [Angstrom], never zero.
    """

    i: Int[Tensor, " pairs"]
    j: Int[Tensor, " pairs"]
    reverse: Int[Tensor, " pairs"] | None
    offsets: Int[Tensor, " atoms_plus_1"]
    vectors: Float[Tensor, "pairs 3"]
    lengths: Float[Tensor, " pairs"]


class Elements(NamedTuple):
    """Atoms sorted into blocks of one element each, so that per-element networks are batched matrix products.

    Attributes:
        row: Row of each atom's element in the model's table.
        slots: Atom in each row of each block; 0 in free rows.
        filled: 1 in rows that hold an atom, 0 in free rows.
        block_element: Row of each block's element in the model's table.
        place: Position of each atom in the flattened slots.
    """

    row: Int[Tensor, " atoms"]
    slots: Int[Tensor, "blocks rows"]
    filled: Float[Tensor, "blocks rows"]
    block_element: Int[Tensor, " blocks"]
    place: Int[Tensor, " atoms"]


class Rows(NamedTuple):
    """Atoms of the rows of quantities of pairs and adsorbates; None where nothing needs them.

    Attributes:
        adsorbates: Atom of each row of the axis ``adsorbate``.
        atom_pairs: First and second atom of each row of the axis ``atom_pair``.
        adsorbate_pairs: First and second atom of each row of the axis ``adsorbate_pair``.
        diagonal: The rows of ``adsorbate_pairs`` that hold an atom twice, one for each of ``adsorbates``.
        couplings: For each pair (i, j) of neighbors that are both of an adsorbate: its index in the widest list of
            pairs, and the rows of ``adsorbate_pairs`` that hold (i, i), (j, j), (i, j) and
            (j, i).
    """

    adsorbates: Int[Tensor, " adsorbates"] | None = None
    atom_pairs: Int[Tensor, "2 atom_pairs"] | None = None
    adsorbate_pairs: Int[Tensor, "2 adsorbate_pairs"] | None = None
    diagonal: Int[Tensor, " adsorbates"] | None = None
    couplings: Int[Tensor, "5 couplings"] | None = None


class Features(NamedTuple):
    """Features of every atom, ordered by degree.

    Attributes:
        nodes: ``nodes[l]`` has the shape [atoms, 2 l + 1, channels of l]. The components are ordered as in
            :func:`atnn.so3.solid_harmonics`: x, y, z for l = 1.
    """

    nodes: tuple[Float[Tensor, "atoms m channels"], ...]

    def append(self, invariants: Float[Tensor, "atoms added"]) -> Features:
        """Append channels of degree zero."""
        return Features((torch.cat([self.nodes[0], invariants[:, None]], dim=2), *self.nodes[1:]))
