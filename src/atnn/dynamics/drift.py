"""Whether the total energy of a run that should conserve it drifts, beyond what it fluctuates by the time step."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from atnn.dynamics.thermometer import FRAMES, SIGNIFICANT, TOLERATED, standard_error
from atnn.units import meV, ps

NEGLIGIBLE = 1e-4  # eV/atom over a run, whatever the temperature


def find_changes(
    total: Float[Tensor, "frames whole"], times: Float[Tensor, " frames"]
) -> tuple[Float[Tensor, " whole"], Float[Tensor, " whole"]]:
    """Change of the total energy along a straight line through a run, and its standard error [eV].

    Velocity Verlet conserves an energy that differs from the total one by terms of the order of the square of the time
    step. They come and go with the vibrations, so that the total energy fluctuates, but does not drift. What is left
    beside the line is therefore the error of the line; a change beyond it has another cause. For N independent samples
    of deviation s the change along the line has the standard error sqrt(12 / N) s.

    Args:
        total: Total energies [eV].
        times: Times [fs].
    """
    centered = (times - times.mean()).double()
    values = (total - total[0]).double()
    slopes = centered @ values / centered.square().sum()
    left = values - values.mean(0) - centered[:, None] * slopes
    errors = [math.sqrt(12) * standard_error(left[:, copy]) for copy in range(left.shape[1])]
    return slopes * float(times[-1] - times[0]), torch.tensor(errors, dtype=torch.float64)


def find_drifting(
    total: Float[Tensor, "frames whole"],
    kinetic: Float[Tensor, "frames whole"],
    times: Float[Tensor, " frames"],
    counts: Int[Tensor, " whole"],
) -> Bool[Tensor, " whole"]:
    """Trajectories whose total energy changes along the run by more than five standard errors, and by what matters.

    What matters is 5 % of the kinetic energy, as for the temperature of a thermostat, and at least 0.1 meV/atom.

    Args:
        total: Total energies [eV].
        kinetic: Kinetic energies [eV].
        times: Times [fs].
        counts: Numbers of atoms.
    """
    if len(times) < FRAMES:
        return torch.zeros(total.shape[1], dtype=torch.bool)
    changes, errors = find_changes(total, times)
    matters = torch.maximum(TOLERATED * kinetic.mean(0).double(), NEGLIGIBLE * counts.double())
    return changes.abs() > torch.maximum(SIGNIFICANT * errors, matters)


def describe_drift(
    series: Mapping[str, Tensor], numbers: Int[Tensor, " whole"], counts: Int[Tensor, " whole"]
) -> str | None:
    """What to warn of after a run that should conserve the energy; None if nothing drifts.

    Args:
        series: ``potential``, ``kinetic`` and ``times`` of the frames, and ``field_work`` where a field does work.
        numbers: Numbers of the whole trajectories.
        counts: Their numbers of atoms.
    """
    kinetic, times = series["kinetic"][:, numbers], series["times"]
    total = series["potential"][:, numbers] + kinetic
    if "field_work" in series:
        total = total - series["field_work"][:, numbers]
    drifting = find_drifting(total, kinetic, times, counts)
    if not bool(drifting.any()):
        return None
    changes = find_changes(total, times)[0] / counts * drifting
    worst = int(changes.abs().argmax())
    return (
        f"the total energy of {int(drifting.sum())} of {len(numbers)} trajectories drifts, which the time step does "
        f"not explain: that of number {int(numbers[worst])} changes by {float(changes[worst]) / meV:+.3g} meV/atom in "
        f"{float(times[-1] - times[0]) / ps:.3g} ps; compare a run with half the timestep, and one in double precision"
    )
