"""The fastest vibration, which a time step must resolve."""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection

import torch
from jaxtyping import Float
from torch import Tensor

from atnn.dynamics.degrees import sum_atoms
from atnn.dynamics.state import State, update_results
from atnn.errors import AtnnWarning, DynamicsError
from atnn.model import Potential
from atnn.units import acceleration

UNSTABLE = 2.0  # omega h beyond which velocity Verlet and B A O A B gain energy without bound
COARSE = 2 * math.pi / 10  # omega h of ten steps a period; vibrations are shifted by (omega h)^2 / 24, here 1.6 %
STEPS = 10  # of the Lanczos method: force calls
DISPLACEMENT = 0.01  # of the atom that moves most [Angstrom]


def check_resolution(state: State, potential: Potential, needs: Collection[str], timestep: float) -> None:
    """Look whether a time step h resolves the fastest vibration omega of every structure.

    Args:
        state: The start of a run.
        potential: The potential; it forgets afterwards what it was asked here.
        needs: Results that the integrator asks of the potential.
        timestep: The time step h [fs].

    Raises:
        DynamicsError: omega h is 2 or more, where no integrator of these steps is stable. It warns where a period has
            fewer than ten steps.
    """
    omega = fastest_vibrations(state, potential, needs)
    potential.forget()
    fastest, number = omega.max(0) if len(omega) else (omega.new_zeros(()), 0)
    if not float(fastest) * timestep > COARSE:
        return
    period = 2 * math.pi / float(fastest)
    where = f"timestep of {timestep:g} fs"
    words = f"the fastest vibration (structure {int(number)}) has a period of {period:.3g} fs"
    remedy = f"use a timestep of {_rounded(period / 16):g} fs or less"
    if float(fastest) * timestep >= UNSTABLE:
        limit = UNSTABLE / float(fastest)
        raise DynamicsError(f"{words}: beyond {limit:.3g} fs the motion is unstable", where=where, remedy=remedy)
    warnings.warn(
        f"{where}: {words}, which is only {period / timestep:.1f} steps; temperature and spectra are off. {remedy}",
        AtnnWarning,
        stacklevel=4,
    )


def fastest_vibrations(
    state: State, potential: Potential, needs: Collection[str], steps: int = STEPS
) -> Float[Tensor, " structures"]:
    """Angular frequency of the fastest vibration of each structure [rad/fs], from below.

    The largest eigenvalue omega^2 of the mass-weighted Hessian M^-1/2 H M^-1/2 by the Lanczos method. Its products with
    vectors are differences of forces, one call of the potential each for the whole batch.

    Args:
        state: The geometries, the masses, and which atoms are free.
        potential: The potential.
        needs: Results to ask for, among them forces: those that steps ask for, so that nothing is compiled twice.
        steps: Number of calls.

    Reference: Lanczos, J. Res. Natl. Bur. Stand. 45, 255 (1950), doi:10.6028/jres.045.026.
    """
    structures, roots = state.structures, state.masses.double().sqrt()[:, None]
    free = 1.0 if state.free is None else state.free[:, None].double()

    def dot(a: Tensor, b: Tensor) -> Tensor:
        return sum_atoms(structures, (a * b).sum(1))

    def forces_at(displaced: Tensor) -> Tensor:
        moved = structures.replace(positions=(structures.positions.double() + displaced).to(structures.positions.dtype))
        given = update_results(state.replace(structures=moved), potential, needs).results["forces"]
        return acceleration * free * given.double() / roots

    def unit(vector: Tensor) -> Tensor:
        length = dot(vector, vector).sqrt()
        return vector / torch.where(length > 1e-12, length, torch.inf)[structures.batch, None]

    def multiply(vector: Tensor) -> Tensor:
        moves = vector / roots
        most = torch.zeros_like(state.degrees, dtype=torch.float64)
        most = most.scatter_reduce(0, structures.batch, moves.norm(dim=1), "amax")
        scale = (DISPLACEMENT / torch.where(most > 0, most, torch.inf))[structures.batch, None]
        return -(forces_at(scale * moves) - here) / torch.where(scale > 0, scale, torch.inf)

    # A source of its own: the run's random numbers stay as they are.
    noise = torch.randn(structures.positions.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    here = forces_at(torch.zeros_like(structures.positions, dtype=torch.float64))
    vector = unit(free * noise.to(here.device))
    matrix = torch.zeros((len(structures), steps, steps), dtype=torch.float64, device=here.device)
    before, link = torch.zeros_like(vector), torch.zeros_like(matrix[:, 0, 0])
    for k in range(steps - 1):
        product = multiply(vector) - link[structures.batch, None] * before
        matrix[:, k, k] = dot(product, vector)
        product = product - matrix[:, k, k][structures.batch, None] * vector
        link = dot(product, product).sqrt()
        matrix[:, k, k + 1] = matrix[:, k + 1, k] = link
        before, vector = vector, unit(product)
    matrix = matrix[:, : steps - 1, : steps - 1]
    finite = torch.isfinite(matrix).all((1, 2))  # the run itself tells of forces that are not
    values = torch.linalg.eigvalsh(torch.where(finite[:, None, None], matrix, 0.0))
    return values[:, -1].clamp(min=0).sqrt()


def _rounded(timestep: float) -> float:
    """The next smaller number of one digit."""
    power = 10.0 ** math.floor(math.log10(timestep))
    return math.floor(timestep / power) * power
