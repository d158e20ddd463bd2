"""The state of a simulation: what an integrator advances and a trajectory stores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from ase.data import atomic_masses
from jaxtyping import Bool, Float, Int
from torch import Tensor

from atnn.dynamics.border import check_per_atom
from atnn.dynamics.degrees import conserved_degrees
from atnn.errors import DynamicsError
from atnn.model import Potential
from atnn.quantities import QUANTITIES, Axis
from atnn.structures import Structures
from atnn.units import amu_angstrom2_per_fs2, boltzmann


@dataclass(frozen=True, slots=True)
class State:
    """Positions, velocities and what the potential said about them, for a whole batch.

    Attributes:
        structures: The geometries; the cell stays as it is.
        velocities: Velocities [Angstrom/fs]; zero for fixed atoms.
        masses: Masses [amu].
        degrees: Degrees of freedom of each structure that carry kinetic energy.
        step: Number of steps that each structure has done.
        time: Time that has passed for each structure [fs], in double precision.
        results: Output of the potential at these positions (``energy``, ``forces``, ...), empty before
            an integrator's ``init``.
        variables: Further values of each structure or atom that the state carries along: those of an integrator
            (a bath), or yours for a condition that ends trajectories.
        free: Whether each atom moves, or None when all do.
    """

    structures: Structures
    velocities: Float[Tensor, "atoms 3"]
    masses: Float[Tensor, " atoms"]
    degrees: Int[Tensor, " structures"]
    step: Int[Tensor, " structures"]
    time: Float[Tensor, " structures"]
    results: dict[str, Tensor] = field(default_factory=dict)
    variables: dict[str, Tensor] = field(default_factory=dict)
    free: Bool[Tensor, " atoms"] | None = None

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
            fixed: Atoms that never move; those of the structures when not given.
            degrees: Degrees of freedom of each structure. When not given they are counted: three per free
                atom, less the components of total linear (and, without periodicity, angular) momentum
                that are zero now, because an isolated system keeps them.

        Raises:
            DynamicsError: Velocities, masses or fixed atoms are not those of every atom, or make no sense.
        """
        atoms = len(structures.positions)
        check_per_atom("State.start", atoms, velocities=velocities, masses=masses, fixed=fixed)
        if masses is not None and not bool((masses > 0).all()):
            raise DynamicsError("a mass is not positive", where="State.start", remedy="give masses [amu]")
        if velocities is None:
            velocities = torch.zeros_like(structures.positions)
        if masses is None:
            masses = standard_masses(structures)
        fixed = structures.fixed if fixed is None else fixed
        free = None if fixed is None else ~fixed.bool()
        if free is not None:
            velocities = velocities * free[:, None]
        if degrees is None:
            degrees = conserved_degrees(structures, velocities, masses, free)
        step = torch.zeros_like(degrees)
        velocities = velocities.to(structures.positions.dtype)
        return State(structures, velocities, masses, degrees, step, step.double(), free=free)

    def replace(self, **changes) -> State:
        """Copy with other values, as :func:`dataclasses.replace`."""
        # Without its checks: integrators call this four times a step.
        return State(**({name: getattr(self, name) for name in self.__slots__} | changes))

    def select(
        self, indices: Sequence[int] | np.ndarray | Int[Tensor, " selected"] | Bool[Tensor, " structures"] | slice
    ) -> State:
        """The structures of the given indices, in that order, or those where a mask is true, and all of theirs."""
        order = torch.arange(len(self.structures), device=self.step.device)[indices]
        atoms = self.structures.atoms_of(order)
        rows = {axis: self.structures.select_rows(axis, order) for axis in {axis_of(name) for name in self.results}}

        def of_variable(value: Tensor) -> Tensor:
            # As many atoms as structures: each structure is one atom, and the two orders are the same.
            return value[atoms if len(value) == len(self.masses) else order]

        return State(
            structures=self.structures.select(order),
            velocities=self.velocities[atoms],
            masses=self.masses[atoms],
            degrees=self.degrees[order],
            step=self.step[order],
            time=self.time[order],
            results={name: value[rows[axis_of(name)]] for name, value in self.results.items()},
            variables={name: of_variable(value) for name, value in self.variables.items()},
            free=None if self.free is None else self.free[atoms],
        )

    @staticmethod
    def join(states: Iterable[State]) -> State:
        """One batch of several; it has the results and variables that all of them have.

        Raises:
            DataError: No states are given.
        """
        states = list(states)
        always = ("velocities", "masses", "degrees", "step", "time")
        structures = Structures.concatenate(state.structures for state in states)
        free = [torch.ones_like(s.masses, dtype=torch.bool) if s.free is None else s.free for s in states]
        return State(
            structures=structures,
            **_concatenate([{name: getattr(state, name) for name in always} for state in states]),
            results=_concatenate([state.results for state in states]),
            variables=_concatenate([state.variables for state in states]),
            free=None if all(state.free is None for state in states) else torch.cat(free),
        )

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


def update_results(state: State, potential: Potential, needs: Iterable[str], outputs: Sequence[str] = ()) -> State:
    """The state with what the potential gives at its positions.

    Args:
        state: The state; its old results are dropped.
        potential: The potential.
        needs: Names of the results that the integrator needs.
        outputs: Names of further ones.

    Raises:
        DynamicsError: The potential cannot give one of them.
    """
    wanted = tuple(dict.fromkeys((*sorted(needs), *outputs)))
    missing = [name for name in wanted if name not in potential.outputs]
    if missing:
        raise DynamicsError(
            f"the potential does not give {', '.join(missing)}",
            where=f"it gives {', '.join(sorted(potential.outputs))}",
            remedy="train a model with that output, or do not ask for it",
        )
    given = potential(state.structures, wanted)
    results = {name: given[name] for name in wanted}
    if "forces" in results:
        results["forces"] = results["forces"].to(state.velocities.dtype)
    return state.replace(results=results)


def axis_of(name: str) -> Axis:
    """What has a value each of a result of the potential, as the table of quantities says.

    Raises:
        DynamicsError: The table of quantities has no such row.
    """
    if name not in QUANTITIES:
        raise DynamicsError(
            f"the result {name!r} is no row of the table of quantities, so that nobody knows its shape",
            where="atnn.quantities",
            remedy=f'add it: QUANTITIES["{name}"] = Quantity("{name}", ...)',
        )
    return QUANTITIES[name].axis


def standard_masses(structures: Structures) -> Float[Tensor, " atoms"]:
    """Standard atomic weights [amu] of all atoms."""
    table = torch.as_tensor(atomic_masses, dtype=structures.positions.dtype, device=structures.numbers.device)
    return table[structures.numbers]


def _concatenate(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    names = [name for name in parts[0] if all(name in part for part in parts)]
    return {name: torch.cat([part[name] for part in parts]) for name in names}
