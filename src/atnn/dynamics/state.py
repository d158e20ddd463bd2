"""The state of a simulation: what an integrator advances and a trajectory stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from ase.data import atomic_masses
from jaxtyping import Bool, Float, Int
from torch import Tensor

from atnn.errors import DynamicsError
from atnn.model import Potential
from atnn.structures import Structures
from atnn.units import amu_angstrom2_per_fs2, boltzmann

LINEAR_INERTIA = 1e-5  # smallest over largest principal moment below which a structure counts as linear
ZERO_MOMENTUM = 1e-4  # total momentum, relative to its parts, that float32 velocities leave after removal


@dataclass(frozen=True, slots=True)
class State:
    """Positions, velocities and what the potential said about them, for a whole batch.

    Attributes:
        structures: The geometries; the cell stays as it is.
        velocities: Velocities [Angstrom/fs]; zero for fixed atoms.
        masses: Masses [amu].
        degrees: Degrees of freedom of each structure that carry kinetic energy.
        results: Output of the potential at these positions (``energy``, ``forces``, ...), empty before
            an integrator's ``init``.
        free: Whether each atom moves, or None when all do.
        step: Number of steps done.
        time: Time passed [fs].
    """

    structures: Structures
    velocities: Float[Tensor, "atoms 3"]
    masses: Float[Tensor, " atoms"]
    degrees: Int[Tensor, " structures"]
    results: dict[str, Tensor] = field(default_factory=dict)
    free: Bool[Tensor, " atoms"] | None = None
    step: int = 0
    time: float = 0.0

    @staticmethod
    def start(
        structures: Structures,
        velocities: Float[Tensor, "atoms 3"] | None = None,
        *,
        masses: Float[Tensor, " atoms"] | None = None,
        fixed: Bool[Tensor, " atoms"] | None = None,
        degrees: Int[Tensor, " structures"] | None = None,
    ) -> State:
        """State at time zero.

        Args:
            structures: The geometries.
            velocities: Velocities [Angstrom/fs]; at rest when not given.
            masses: Masses [amu]; the standard atomic weights when not given.
            fixed: Atoms that never move.
            degrees: Degrees of freedom of each structure. When not given they are counted: three per free
                atom, less the components of total linear (and, without periodicity, angular) momentum
                that are zero now, because an isolated system keeps them.
        """
        if velocities is None:
            velocities = torch.zeros_like(structures.positions)
        if masses is None:
            masses = standard_masses(structures)
        free = None if fixed is None else ~fixed
        if free is not None:
            velocities = velocities * free[:, None]
        if degrees is None:
            degrees = conserved_degrees(structures, velocities, masses, free)
        return State(structures, velocities.to(structures.positions.dtype), masses, degrees, {}, free)

    def replace(self, **changes) -> State:
        """Copy with other values, as :func:`dataclasses.replace`."""
        return replace(self, **changes)

    @property
    def kinetic_energy(self) -> Float[Tensor, " structures"]:
        """Kinetic energy of each structure [eV], in double precision."""
        per_atom = 0.5 * amu_angstrom2_per_fs2 * self.masses.double() * self.velocities.double().square().sum(1)
        return per_atom.new_zeros(len(self.structures)).index_add_(0, self.structures.batch, per_atom)

    @property
    def temperature(self) -> Float[Tensor, " structures"]:
        """Instantaneous temperature 2 E_kin / (k_B degrees) of each structure [K]; zero without freedom."""
        return 2 * self.kinetic_energy / (boltzmann * self.degrees.clamp(min=1))

    @property
    def total_energy(self) -> Float[Tensor, " structures"]:
        """Kinetic plus potential energy of each structure [eV]."""
        return self.results["energy"].double() + self.kinetic_energy


def evaluate(state: State, potential: Potential, outputs: Sequence[str] = ()) -> State:
    """The state with energy, forces and the further ``outputs`` of the potential at its positions.

    Raises:
        DynamicsError: The potential cannot give one of them.
    """
    wanted = tuple(dict.fromkeys(("energy", "forces", *outputs)))
    missing = [name for name in wanted if name not in potential.outputs]
    if missing:
        raise DynamicsError(
            f"the potential does not give {', '.join(missing)}",
            where=f"it gives {', '.join(sorted(potential.outputs))}",
            remedy="train a model with that output, or do not ask for it",
        )
    given = potential(state.structures, wanted)
    results = {name: given[name] for name in wanted}
    results["forces"] = results["forces"].to(state.velocities.dtype)
    return state.replace(results=results)


def standard_masses(structures: Structures) -> Float[Tensor, " atoms"]:
    """Standard atomic weights [amu] of all atoms."""
    table = torch.as_tensor(atomic_masses, dtype=structures.positions.dtype, device=structures.numbers.device)
    return table[structures.numbers]


def free_degrees(structures: Structures, free: Bool[Tensor, " atoms"] | None) -> Int[Tensor, " structures"]:
    """Three degrees of freedom for each atom that moves."""
    if free is None:
        return 3 * structures.counts
    counts = torch.zeros(len(structures), dtype=torch.int64, device=free.device)
    return 3 * counts.index_add_(0, structures.batch, free.long())


def conserved_degrees(
    structures: Structures,
    velocities: Float[Tensor, "atoms 3"],
    masses: Float[Tensor, " atoms"],
    free: Bool[Tensor, " atoms"] | None,
) -> Int[Tensor, " structures"]:
    """Degrees of freedom left when the momenta that are zero stay zero, as they do in an isolated system."""
    degrees = free_degrees(structures, free)
    if free is not None and not bool(free.all()):
        return degrees
    momenta = masses.double()[:, None] * velocities.double()
    still = _vanishes(structures, momenta, momenta.norm(dim=1))
    degrees = degrees - 3 * still.long()
    arms, inertia = inertia_tensors(structures, masses)
    turning = torch.linalg.cross(arms, momenta)
    moments = torch.linalg.eigvalsh(inertia)
    rank = (moments > LINEAR_INERTIA * moments[:, -1:].clamp(min=1e-12)).sum(1)
    still_turning = _vanishes(structures, turning, arms.norm(dim=1) * momenta.norm(dim=1)) & ~structures.pbc.any(1)
    return (degrees - rank * still_turning.long()).clamp(min=0)


def inertia_tensors(
    structures: Structures, masses: Float[Tensor, " atoms"]
) -> tuple[Float[Tensor, "atoms 3"], Float[Tensor, "structures 3 3"]]:
    """Positions relative to the center of mass [Angstrom] and tensors of inertia [amu Angstrom^2]."""
    weights = masses.double()
    positions = structures.positions.double()
    total = sum_atoms(structures, weights)
    center = sum_atoms(structures, weights[:, None] * positions) / total[:, None]
    arms = positions - center[structures.batch]
    identity = torch.eye(3, dtype=arms.dtype, device=arms.device)
    square = arms.square().sum(1)[:, None, None] * identity - arms[:, :, None] * arms[:, None, :]
    return arms, sum_atoms(structures, weights[:, None, None] * square)


def sum_atoms(structures: Structures, values: Float[Tensor, "atoms *rest"]) -> Float[Tensor, "structures *rest"]:
    """Sum over the atoms of each structure."""
    total = values.new_zeros((len(structures), *values.shape[1:]))
    return total.index_add_(0, structures.batch, values)


def _vanishes(
    structures: Structures, parts: Float[Tensor, "atoms 3"], sizes: Float[Tensor, " atoms"]
) -> Bool[Tensor, " structures"]:
    total = sum_atoms(structures, parts).norm(dim=1)
    return total <= ZERO_MOMENTUM * sum_atoms(structures, sizes)
