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
from jaxtyping import Float
from torch import Tensor

from atnn.dynamics.state import State
from atnn.errors import DynamicsError
from atnn.units import acceleration, boltzmann

Bath = float | Float[Tensor, "_"]  # of all, or of each structure or each atom


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


def step_o(state: State, duration: float, temperature: Bath, friction: Bath, generator: torch.Generator) -> State:
    """Ornstein-Uhlenbeck step: v <- c v + sqrt((1 - c^2) k_B T / m) xi with c = exp(-gamma h).

    Args:
        state: The state.
        duration: Length of the step h [fs].
        temperature: Temperature of the bath [K]: one number, or one for each structure or atom.
        friction: Friction coefficient gamma [1/fs]: one number, or one for each structure or atom.
        generator: Source of xi.

    Raises:
        DynamicsError: There are as many temperatures or frictions neither as structures nor as atoms.
    """
    velocities = state.velocities
    temperature, friction = spread_over_atoms(state, temperature), spread_over_atoms(state, friction)
    noise = torch.randn(velocities.shape, generator=generator, dtype=velocities.dtype, device=generator.device)
    # expm1 keeps the digits of 1 - c^2 for small friction
    decay: float | Tensor
    lost: float | Tensor
    if isinstance(friction, Tensor):
        decay, lost = torch.exp(-friction * duration)[:, None], -torch.expm1(-2 * friction * duration)
    else:
        decay, lost = math.exp(-friction * duration), -math.expm1(-2 * friction * duration)
    variance = lost * boltzmann * temperature * acceleration / state.masses
    kick = torch.sqrt(variance)[:, None] * noise.to(velocities.device)
    if state.free is not None:
        kick = kick * state.free[:, None]
    return state.replace(velocities=decay * velocities + kick)


def spread_over_atoms(state: State, value: Bath) -> float | Float[Tensor, " atoms"]:
    """One value for each atom, or one number for all.

    Raises:
        DynamicsError: There are as many values neither as structures nor as atoms.
    """
    if not isinstance(value, Tensor) or value.ndim == 0:
        return float(value)
    value = value.to(state.velocities)
    if value.shape == state.masses.shape:
        return value
    if value.shape == state.degrees.shape:
        return value[state.structures.batch]
    raise DynamicsError(
        f"values of the shape {tuple(value.shape)} for {len(state.degrees)} structures of {len(state.masses)} atoms",
        where="bath",
        remedy="give one number, or one for each structure or for each atom",
    )
