"""Spectra of trajectories on the disk."""

from __future__ import annotations

from typing import Any

from atnn.dynamics import Trajectory
from atnn.errors import DataError
from atnn.observables.infrared import infrared, power_spectrum
from atnn.observables.spectrum import Spectrum


def trajectory_spectrum(
    trajectory: Trajectory,
    kind: str,
    temperature: float,
    correction: str = "harmonic",
    window: str = "hann",
    resolution: float = 20.0,
    maximum: float | None = None,
) -> Spectrum:
    """Infrared or power spectrum of a trajectory.

    Args:
        trajectory: The trajectory; all its structures must be copies of one.
        kind: ``infrared`` or ``power``.
        temperature: Temperature of the trajectory [K].
        correction: Quantum correction of the infrared spectrum.
        window, resolution, maximum: As in :func:`atnn.observables.infrared`.

    Raises:
        DataError: A single frame, different structures in one trajectory, or no dipoles in it.
    """
    where, times, counts = str(trajectory.path), trajectory.times, trajectory.structures(0).counts
    if len(times) < 2 or not bool((counts == counts[0]).all()):
        raise DataError("needs two frames, and copies of one structure", where=where, remedy="see `atnn md --copies`")
    timestep, atoms = float(times[1] - times[0]), int(counts[0])
    options: dict[str, Any] = {"resolution": resolution, "window": window, "maximum": maximum}
    if kind == "infrared":
        if "dipole" not in trajectory.quantities:
            raise DataError(
                "the trajectory holds no dipoles", where=where, remedy="train with `outputs: [energy, dipole]`"
            )
        return infrared(trajectory.dipoles, timestep, temperature, correction=correction, **options)
    velocities = trajectory.read("velocities").reshape(len(times), len(counts), atoms, 3)
    return power_spectrum(velocities, trajectory.masses[:atoms], timestep, temperature, **options)
