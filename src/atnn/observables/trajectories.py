"""Spectra of trajectories on the disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from atnn.dynamics import Trajectory
from atnn.model import Identified, Potential
from atnn.observables.kinds import (
    Convergence,
    Curves,
    SpectrumSettings,
    check_convergence,
    compute_curves,
    parse_kinds,
)
from atnn.observables.sampled import Sampled
from atnn.observables.spectrum import Spectrum


@dataclass(frozen=True)
class TrajectorySpectra:
    """Spectra of one trajectory.

    Attributes:
        curves: Kind -> name -> spectrum; the main one of each kind comes first and is called ``intensity``.
        convergence: Kind -> the main spectrum of the halves of the trajectories, or None where these are too short.
        settings: How they were made.
        degrees: Number of degrees of freedom that move, for comparison with the integral of the power spectrum.
    """

    curves: dict[str, Curves]
    convergence: dict[str, Convergence | None]
    settings: SpectrumSettings
    degrees: int


def trajectory_spectra(
    trajectory: Trajectory,
    kinds: Sequence[str],
    settings: SpectrumSettings,
    potential: Potential | None = None,
) -> TrajectorySpectra:
    """Several spectra of one trajectory, and how far they depend on its length.

    Args:
        trajectory: The trajectory; all its structures must be copies of one. Those that ended before the run did are
            left out.
        kinds: ``infrared``, ``raman``, ``power`` or ``sum-frequency``.
        settings: Temperature, correction, window, resolution and more.
        potential: Computes dipoles and polarizabilities anew along the frames where it gives them.

    Raises:
        DataError: A single frame, no copy that ran to the end, different structures in one trajectory, frames too far
            apart for the fastest motion, or a missing quantity.
        SpecificationError: Unknown kind, window or correction.
    """
    names = parse_kinds(",".join(kinds))
    sampled = Sampled(trajectory, potential)
    origin = _origin(trajectory, potential)
    curves = {
        kind: {name: replace(s, origin=origin) for name, s in compute_curves(sampled, kind, settings).items()}
        for kind in names
    }
    convergence = {kind: check_convergence(sampled, kind, settings) for kind in names}
    return TrajectorySpectra(curves, convergence, settings, sampled.degrees)


def trajectory_spectrum(
    trajectory: Trajectory,
    kind: str,
    temperature: float,
    correction: str = "harmonic",
    window: str = "hann",
    resolution: float = 20.0,
    maximum: float | None = None,
    potential: Potential | None = None,
) -> Spectrum:
    """Infrared, Raman (unpolarised activity) or power spectrum of a trajectory.

    Args:
        trajectory: The trajectory; all its structures must be copies of one. Those that ended before the run did
            are left out.
        kind: ``infrared``, ``raman``, ``power`` or ``sum-frequency``.
        temperature: Temperature of the trajectory [K].
        correction: Quantum correction.
        window, resolution, maximum: As in :func:`atnn.observables.infrared`.
        potential: Computes dipoles and polarizabilities anew along the frames where it gives them.

    Raises:
        DataError: A single frame, no copy that ran to the end, different structures in one trajectory, frames too far
            apart for the fastest motion, or a missing quantity.
    """
    settings = SpectrumSettings(temperature, correction, window, resolution, maximum)
    (name,) = parse_kinds(kind)
    found = compute_curves(Sampled(trajectory, potential), name, settings)["intensity"]
    return replace(found, origin=_origin(trajectory, potential))


def _origin(trajectory: Trajectory, potential: Potential | None) -> dict[str, str]:
    origin = {"trajectory": trajectory.hash, "run": trajectory.run}
    if trajectory.potential is not None:
        origin["potential"] = trajectory.potential
    if isinstance(potential, Identified):
        origin["surfaces"] = potential.identity
    return origin
