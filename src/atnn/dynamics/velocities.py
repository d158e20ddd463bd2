"""Initial velocities of a canonical ensemble."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from atnn.dynamics.border import check_temperature
from atnn.dynamics.degrees import LINEAR_INERTIA, inertia_tensors, sum_atoms
from atnn.dynamics.state import State, standard_masses
from atnn.structures import Structures
from atnn.units import acceleration, boltzmann


def maxwell_boltzmann(
    structures: Structures,
    temperature: float,
    generator: torch.Generator,
    *,
    remove_drift: bool = True,
    remove_rotation: bool = False,
    exact: bool = False,
    masses: Float[Tensor, " atoms"] | None = None,
    fixed: Bool[Tensor, " atoms"] | None = None,
) -> Float[Tensor, "atoms 3"]:
    """Velocities [Angstrom/fs] drawn from the Maxwell-Boltzmann distribution.

    Each component is normal with variance k_B T / m. Removing a momentum projects the draw on the states
    that have none of it, which leaves k_B T / 2 for each remaining degree of freedom: no rescaling needed.

    Args:
        structures: The geometries.
        temperature: Temperature [K].
        generator: Source of the random numbers.
        remove_drift: Remove the total momentum of each structure.
        remove_rotation: Remove the total angular momentum of each structure without periodicity.
        exact: Rescale each structure to exactly this temperature over its remaining degrees of freedom.
        masses: Masses [amu]; the standard atomic weights when not given.
        fixed: Atoms that get no velocity, those of the structures when not given; momenta are then not removed,
            because the fixed atoms take them up.

    Raises:
        DynamicsError: The temperature is not between zero and 1e5 K.
    """
    check_temperature(temperature, "maxwell_boltzmann")
    fixed = structures.fixed if fixed is None else fixed
    if masses is None:
        masses = standard_masses(structures)
    shape, dtype = structures.positions.shape, structures.positions.dtype
    noise = torch.randn(shape, generator=generator, dtype=dtype, device=generator.device)
    spread = torch.sqrt(boltzmann * temperature * acceleration / masses)
    velocities = noise.to(structures.positions.device) * spread[:, None]
    if fixed is not None:
        velocities = velocities * ~fixed[:, None]
    if fixed is None or not bool(fixed.any()):
        velocities = without_drift(structures, velocities, masses) if remove_drift else velocities
        velocities = without_rotation(structures, velocities, masses) if remove_rotation else velocities
    if exact:
        now = State.start(structures, velocities, masses=masses, fixed=fixed).temperature
        scale = torch.sqrt(temperature / now.clamp(min=1e-300))
        scale = torch.where(now > 0, scale, torch.zeros_like(scale))
        velocities = velocities * scale[structures.batch, None].to(dtype)
    return velocities


def without_drift(
    structures: Structures, velocities: Float[Tensor, "atoms 3"], masses: Float[Tensor, " atoms"]
) -> Float[Tensor, "atoms 3"]:
    """Velocities [Angstrom/fs] relative to the center of mass of each structure."""
    weights = masses.double()
    momentum = sum_atoms(structures, weights[:, None] * velocities.double())
    drift = momentum / sum_atoms(structures, weights)[:, None]
    return (velocities.double() - drift[structures.batch]).to(velocities.dtype)


def without_rotation(
    structures: Structures, velocities: Float[Tensor, "atoms 3"], masses: Float[Tensor, " atoms"]
) -> Float[Tensor, "atoms 3"]:
    """Velocities [Angstrom/fs] without the rigid rotation of each structure; periodic ones stay as they are."""
    arms, inertia = inertia_tensors(structures, masses)
    momenta = masses.double()[:, None] * velocities.double()
    angular = sum_atoms(structures, torch.linalg.cross(arms, momenta))
    inverse = torch.linalg.pinv(inertia, hermitian=True, rtol=LINEAR_INERTIA)
    omega = torch.einsum("sij,sj->si", inverse, angular) * ~structures.pbc.any(1)[:, None]
    rotation = torch.linalg.cross(omega[structures.batch], arms)
    return (velocities.double() - rotation).to(velocities.dtype)
