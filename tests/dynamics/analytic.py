"""Potentials with known answers, behind the ``Potential`` protocol."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from ase import Atoms
from ase.calculators.calculator import Calculator
from torch import Tensor

from atnn.structures import Structures


class WithoutMemory:
    """Nothing is remembered from call to call."""

    def forget(self) -> None:
        """Nothing to drop."""


class Morse(WithoutMemory):
    """Morse potential between all pairs of a structure, and point charges by element.

    E = D (1 - exp(-a (r - r0)))^2 - D for each pair; the force constant at the minimum is 2 D a^2.
    """

    outputs = frozenset({"energy", "forces", "dipole", "charges"})

    def __init__(self, depth: float = 4.0, width: float = 1.9, length: float = 1.1, charge: float = 0.3):
        self.depth, self.width, self.length, self.charge = depth, width, length, charge
        self.calls = 0

    def __call__(self, structures: Structures, outputs: Sequence[str]) -> dict[str, Tensor]:
        self.calls += 1
        positions, batch = structures.positions, structures.batch
        i, j = torch.nonzero(torch.triu(batch[:, None] == batch[None, :], diagonal=1)).T
        vectors = positions[j] - positions[i]
        lengths = vectors.norm(dim=1)
        factor = torch.exp(-self.width * (lengths - self.length))
        energies = self.depth * ((1 - factor) ** 2 - 1)
        slope = 2 * self.depth * self.width * (1 - factor) * factor
        pull = (slope / lengths)[:, None] * vectors
        charges = self.charge * torch.where(structures.numbers % 2 == 0, 1.0, -1.0).to(positions.dtype)
        zeros = positions.new_zeros(len(structures))
        return {
            "energy": zeros.index_add(0, batch[i], energies).double(),
            "forces": torch.zeros_like(positions).index_add(0, i, pull).index_add(0, j, -pull),
            "dipole": positions.new_zeros((len(structures), 3)).index_add(0, batch, charges[:, None] * positions),
            "charges": charges,
        }


class PolarizableMorse(Morse):
    """A Morse potential whose polarizability is the sum of ``r r`` over the pairs of a structure."""

    outputs = Morse.outputs | {"polarizability"}

    def __call__(self, structures: Structures, outputs: Sequence[str]) -> dict[str, Tensor]:
        positions, batch = structures.positions, structures.batch
        i, j = torch.nonzero(torch.triu(batch[:, None] == batch[None, :], diagonal=1)).T
        bonds = positions[j] - positions[i]
        sums = positions.new_zeros((len(structures), 3, 3))
        tensors = sums.index_add(0, batch[i], bonds[:, :, None] * bonds[:, None])
        return super().__call__(structures, outputs) | {"polarizability": tensors}


class Wells(WithoutMemory):
    """Each atom in its own harmonic well about the origin, with a unit charge: E = k r^2 / 2."""

    outputs = frozenset({"energy", "forces", "dipole"})

    def __init__(self, constant: float = 5.0, quartic: float = 0.0):
        self.constant, self.quartic = constant, quartic

    def __call__(self, structures: Structures, outputs: Sequence[str]) -> dict[str, Tensor]:
        positions, batch = structures.positions, structures.batch
        energies = (0.5 * self.constant * positions**2 + 0.25 * self.quartic * positions**4).sum(1)
        return {
            "energy": positions.new_zeros(len(structures)).index_add(0, batch, energies).double(),
            "forces": -self.constant * positions - self.quartic * positions**3,
            "dipole": positions.new_zeros((len(structures), 3)).index_add(0, batch, positions),
        }


class FromAse(WithoutMemory):
    """Any ASE calculator, structure after structure."""

    def __init__(self, calculator: Calculator, dipole: bool = False):
        self.calculator = calculator
        self.outputs = frozenset({"energy", "forces"} | ({"dipole"} if dipole else set()))

    def __call__(self, structures: Structures, outputs: Sequence[str]) -> dict[str, Tensor]:
        results: dict[str, list] = {name: [] for name in outputs}
        for atoms in structures.to_ase():
            atoms.calc = self.calculator
            found = {
                "energy": atoms.get_potential_energy,
                "forces": atoms.get_forces,
                "dipole": atoms.get_dipole_moment,
            }
            for name in outputs:
                results[name].append(torch.as_tensor(found[name](), dtype=torch.float64))
        return {k: torch.cat(v) if k == "forces" else torch.stack(v) for k, v in results.items()}


def diatomics(count: int, symbols: str = "CO", length: float = 1.15) -> Structures:
    """Copies of one diatomic molecule."""
    return Structures.from_ase([Atoms(symbols, positions=[[0, 0, 0], [0, 0, length]])] * count)


def single_atoms(count: int, symbol: str = "C") -> Structures:
    """Copies of one atom at the origin."""
    return Structures.from_ase([Atoms(symbol, positions=[[0.0, 0.0, 0.0]])] * count)


class ChargedWells(WithoutMemory):
    """Each atom in its own harmonic well with a charge and a polarizability: E = k r^2 / 2 - q r . F - a F^2 / 2."""

    outputs = frozenset({"energy", "forces", "dipole", "polarizability", "born_charges"})

    def __init__(self, constant: float = 5.0, charge: float = 0.7, response: float = 0.3):
        self.constant, self.charge, self.response = constant, charge, response
        self.calls = 0
        self.identity = f"wells {constant} {charge} {response}"

    def __call__(self, structures: Structures, outputs: Sequence[str]) -> dict[str, Tensor]:
        self.calls += 1
        r, batch = structures.positions, structures.batch
        field = structures.applied_field[batch]
        energies = 0.5 * self.constant * r.square() - self.charge * r * field - 0.5 * self.response * field.square()
        identity = torch.eye(3, dtype=r.dtype)
        values = {
            "energy": r.new_zeros(len(structures)).index_add(0, batch, energies.sum(1)).double(),
            "forces": -self.constant * r + self.charge * field,
            "dipole": r.new_zeros((len(structures), 3)).index_add(0, batch, self.charge * r + self.response * field),
            "polarizability": self.response * structures.counts[:, None, None] * identity,
            "born_charges": self.charge * identity.expand(len(r), 3, 3).clone(),
        }
        return {name: values[name] for name in outputs}
