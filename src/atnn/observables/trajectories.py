"""Spectra of trajectories on the disk."""

from __future__ import annotations

from dataclasses import replace
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
        trajectory: The trajectory; all its structures must be copies of one. Those that ended before the run did
            are left out.
        kind: ``infrared`` or ``power``.
        temperature: Temperature of the trajectory [K].
        correction: Quantum correction of the infrared spectrum.
        window, resolution, maximum: As in :func:`atnn.observables.infrared`.

    Raises:
        DataError: A single frame, no copy that ran to the end, different structures in one trajectory, or no dipoles.
    """
    found = _spectrum(trajectory, kind, temperature, correction, window, resolution, maximum)
    origin = {"trajectory": trajectory.hash, "run": trajectory.run}
    if trajectory.potential is not None:
        origin["potential"] = trajectory.potential
    return replace(found, origin=origin)


def _spectrum(
    trajectory: Trajectory,
    kind: str,
    temperature: float,
    correction: str,
    window: str,
    resolution: float,
    maximum: float | None,
) -> Spectrum:
    where, times, whole = str(trajectory.path), trajectory.times, trajectory.whole
    if not bool(whole.any()):
        raise DataError("all trajectories ended before the run did", where=where, remedy="see `Trajectory.ended`")
    counts = trajectory.structures(0).counts
    if len(times) < 2 or not bool((counts == counts[0]).all()):
        raise DataError("needs two frames, and copies of one structure", where=where, remedy="see `atnn md --copies`")
    timestep, atoms = float(times[1] - times[0]), int(counts[0])
    options: dict[str, Any] = {"resolution": resolution, "window": window, "maximum": maximum}
    if kind == "infrared":
        if "dipole" not in trajectory.quantities:
            raise DataError(
                "the trajectory holds no dipoles", where=where, remedy="train with `outputs: [energy, dipole]`"
            )
        return infrared(
            trajectory.read("dipole", structures=whole), timestep, temperature, correction=correction, **options
        )
    velocities = trajectory.read("velocities", structures=whole).reshape(len(times), int(whole.sum()), atoms, 3)
    return power_spectrum(velocities, trajectory.masses[:atoms], timestep, temperature, **options)
