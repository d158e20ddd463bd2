"""An integrator as a user writes it, outside the package: a thermostat with a variable of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from atnn.dynamics import State, update_results
from atnn.dynamics.steps import step_a, step_b
from atnn.model import Potential


@dataclass(frozen=True)
class NoseHoover:
    """One thermostat for each structure: d xi / dt = (T / T_bath - 1) / tau^2, and v decays with the rate xi.

    Args:
        timestep: Timestep h [fs].
        temperature: Temperature of the bath [K].
        period: Time tau in which the thermostat answers [fs].
    """

    timestep: float
    temperature: float
    period: float
    needs = frozenset({"energy", "forces"})
    conserves_energy = False

    def init(self, state: State, potential: Potential, outputs: Sequence[str] = ()) -> State:
        """The state with a thermostat at rest."""
        state = state.replace(variables={**state.variables, "xi": torch.zeros_like(state.time)})
        return update_results(state, potential, self.needs, outputs)

    def step(
        self, state: State, potential: Potential, generator: torch.Generator | None = None, outputs: Sequence[str] = ()
    ) -> State:
        """One step, symmetric in time."""
        h = self.timestep
        state = step_a(step_b(self.thermostat(state, h / 2), h / 2), h)
        state = step_b(update_results(state, potential, self.needs, outputs), h / 2)
        state = self.thermostat(state, h / 2)
        return state.replace(step=state.step + 1, time=state.time + h)

    def thermostat(self, state: State, duration: float) -> State:
        """Velocities and thermostats after a time."""
        xi = state.variables["xi"] + duration / 2 * self._push(state)
        decay = torch.exp(-duration * xi)[state.structures.batch, None]
        state = state.replace(velocities=decay * state.velocities)
        return state.replace(variables={**state.variables, "xi": xi + duration / 2 * self._push(state)})

    def _push(self, state: State) -> torch.Tensor:
        return (state.temperature / self.temperature - 1) / self.period**2
