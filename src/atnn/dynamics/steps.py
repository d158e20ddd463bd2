"""The steps that integrators are made of: A moves, B kicks, O couples to a bath.

Each is the exact solution of one part of the Langevin equation, so that a splitting such as B A O A B is
a line of code. Reference: Leimkuhler and Matthews, J. Chem. Phys. 138, 174102 (2013), doi:10.1063/1.4802990.

=======  ==============================================
symbol   variable
=======  ==============================================
r, v     ``state.structures.positions``, ``state.velocities``
F, m     ``state.results["forces"]``, ``state.masses``
h        ``duration``
gamma    ``friction``
=======  ==============================================
"""

from __future__ import annotations

import math

import torch

from atnn.dynamics.state import State
from atnn.units import acceleration, boltzmann


def step_a(state: State, duration: float) -> State:
    """Free flight: r <- r + h v.

    Args:
        state: The state; its results are left as they are and belong to the old positions.
        duration: Length of the flight h [fs].
    """
    structures = state.structures
    return state.replace(structures=structures.replace(positions=structures.positions + duration * state.velocities))


def step_b(state: State, duration: float) -> State:
    """Kick by the forces: v <- v + h F / m; fixed atoms are not kicked.

    Args:
        state: The state with forces at its positions.
        duration: Length of the kick h [fs].
    """
    kick = (duration * acceleration / state.masses)[:, None] * state.results["forces"]
    if state.free is not None:
        kick = kick * state.free[:, None]
    return state.replace(velocities=state.velocities + kick)


def step_o(state: State, duration: float, temperature: float, friction: float, generator: torch.Generator) -> State:
    """Ornstein-Uhlenbeck step: v <- c v + sqrt((1 - c^2) k_B T / m) xi with c = exp(-gamma h).

    Args:
        state: The state.
        duration: Length of the step h [fs].
        temperature: Temperature of the bath [K].
        friction: Friction coefficient gamma [1/fs].
        generator: Source of xi.
    """
    velocities = state.velocities
    decay = math.exp(-friction * duration)
    noise = torch.randn(velocities.shape, generator=generator, dtype=velocities.dtype, device=generator.device)
    # expm1 keeps the digits of 1 - c^2 for small friction
    variance = -math.expm1(-2 * friction * duration) * boltzmann * temperature * acceleration / state.masses
    kick = torch.sqrt(variance)[:, None] * noise.to(velocities.device)
    if state.free is not None:
        kick = kick * state.free[:, None]
    return state.replace(velocities=decay * velocities + kick)
