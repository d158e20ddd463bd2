"""Integrators: compositions of the steps A, B and O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from atnn.dynamics.border import check_friction, check_temperature, check_timestep
from atnn.dynamics.degrees import free_degrees
from atnn.dynamics.state import State, update_results
from atnn.dynamics.steps import Bath, spread_over_atoms, step_a, step_b, step_o
from atnn.errors import DynamicsError
from atnn.model import Potential

NEEDS = frozenset({"energy", "forces"})


@runtime_checkable
class Integrator(Protocol):
    """A rule that advances a state by one timestep; it makes a new state and leaves the old one as it is.

    A class with these five names is an integrator; it need not be told of anywhere. Variables of its own that belong
    to structures or atoms, such as those of a thermostat, are kept in ``State.variables``, so that they follow the
    structures and are there when a run is resumed. A dataclass has its fields written to trajectories.

    Attributes:
        needs: Results that it needs of the potential at every step; where one of them is NaN, the trajectory ends.
        timestep: Length of one step [fs].
        conserves_energy: Whether the total energy is a constant of the motion.
    """

    @property
    def needs(self) -> frozenset[str]: ...

    @property
    def timestep(self) -> float: ...

    @property
    def conserves_energy(self) -> bool: ...

    def init(self, state: State, potential: Potential, outputs: Sequence[str] = ()) -> State:
        """The state with the results that the first step needs, and the further outputs asked for."""
        ...

    def step(
        self, state: State, potential: Potential, generator: torch.Generator | None, outputs: Sequence[str] = ()
    ) -> State:
        """The state one timestep later, with the further outputs asked for."""
        ...


@dataclass(frozen=True)
class VelocityVerlet:
    """Newton's equations at constant energy: B(h/2) A(h) B(h/2), time-reversible, symplectic, of order 2.

    Args:
        timestep: Timestep h [fs].

    Reference: Swope et al., J. Chem. Phys. 76, 637 (1982), doi:10.1063/1.442716.
    """

    timestep: float
    needs = NEEDS
    conserves_energy = True

    def __post_init__(self):
        check_timestep(self.timestep, "VelocityVerlet")

    def init(self, state: State, potential: Potential, outputs: Sequence[str] = ()) -> State:
        """The state with energy, forces and the further outputs."""
        return update_results(state, potential, self.needs, outputs)

    def step(
        self, state: State, potential: Potential, generator: torch.Generator | None = None, outputs: Sequence[str] = ()
    ) -> State:
        """One step; the generator is not used."""
        h = self.timestep
        state = step_a(step_b(state, h / 2), h)
        state = step_b(update_results(state, potential, self.needs, outputs), h / 2)
        return state.replace(step=state.step + 1, time=state.time + h)


@dataclass(frozen=True)
class Langevin:
    """Langevin dynamics at constant temperature by B A O A B, whose configurational averages are exact
    for a harmonic oscillator and otherwise wrong only by order h^4 at high friction.

    Args:
        timestep: Timestep h [fs].
        temperature: Temperature of the bath [K]: one number, or one for each structure or atom.
        friction: Friction coefficient [1/fs]: one number, or one for each structure or atom.

    Reference: Leimkuhler and Matthews, J. Chem. Phys. 138, 174102 (2013), doi:10.1063/1.4802990.
    """

    timestep: float
    temperature: Bath
    friction: Bath
    needs = NEEDS
    conserves_energy = False

    def __post_init__(self):
        check_timestep(self.timestep, "Langevin")
        check_temperature(self.temperature, "Langevin")
        check_friction(self.friction, "Langevin")

    def init(self, state: State, potential: Potential, outputs: Sequence[str] = ()) -> State:
        """The state with energy, forces and the further outputs; the bath moves every degree of freedom.

        Temperatures and frictions of structures or atoms become variables of the state, so that they follow them.
        """
        bath = {"bath_temperature": self.temperature, "bath_friction": self.friction}
        variables = {name: value for name, value in state.variables.items() if name not in bath}
        for name, value in bath.items():
            spread = spread_over_atoms(state, value)
            if isinstance(spread, Tensor):
                variables[name] = spread
        state = state.replace(degrees=free_degrees(state.structures, state.free), variables=variables)
        return update_results(state, potential, self.needs, outputs)

    def step(
        self, state: State, potential: Potential, generator: torch.Generator | None, outputs: Sequence[str] = ()
    ) -> State:
        """One step, with noise from the generator.

        Raises:
            DynamicsError: No generator is given.
        """
        if generator is None:
            raise DynamicsError(
                "Langevin dynamics needs random numbers",
                where="Langevin.step",
                remedy="pass generator=torch.Generator().manual_seed(seed)",
            )
        h = self.timestep
        state = step_a(step_b(state, h / 2), h / 2)
        temperature = state.variables.get("bath_temperature", self.temperature)
        friction = state.variables.get("bath_friction", self.friction)
        state = step_a(step_o(state, h, temperature, friction, generator), h / 2)
        state = step_b(update_results(state, potential, self.needs, outputs), h / 2)
        return state.replace(step=state.step + 1, time=state.time + h)


INTEGRATORS: dict[str, type[Integrator]] = {"verlet": VelocityVerlet, "langevin": Langevin}
