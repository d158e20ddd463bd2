"""What a run says about itself: energy drift and temperature."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from atnn.dynamics.state import State
from atnn.units import boltzmann, meV, ps


@dataclass(frozen=True)
class RunReport:
    """Outcome of a run, all its frames from the beginning, also where it was resumed.

    Attributes:
        state: The last state.
        series: Per-structure values at each frame: ``times`` [frames] in fs, ``potential`` and ``kinetic``
            [frames, structures] in eV, and ``dipole`` [frames, structures, 3] in e Angstrom where computed.
        conserves_energy: Whether the integrator keeps the total energy, so that its drift is an error.
        steps: Steps done by this call.
        seconds: Wall time of this call [s].
    """

    state: State
    series: dict[str, Tensor]
    conserves_energy: bool
    steps: int
    seconds: float

    @property
    def drift(self) -> Float[Tensor, " structures"]:
        """Least-squares slope of the total energy of each trajectory [eV/atom/ps]."""
        total = (self.series["potential"] + self.series["kinetic"]) / self.state.structures.counts.cpu()
        times = (self.series["times"] - self.series["times"].mean()) / ps
        if len(times) < 2:
            return torch.zeros(total.shape[1], dtype=total.dtype)
        return times @ (total - total[0]) / times.square().sum()

    @property
    def drift_mean(self) -> float:
        """Mean over the trajectories of the absolute drift [eV/atom/ps]."""
        return float(self.drift.abs().mean())

    @property
    def drift_worst(self) -> float:
        """Largest absolute drift of a trajectory [eV/atom/ps]."""
        return float(self.drift.abs().max())

    @property
    def temperatures(self) -> Float[Tensor, " structures"]:
        """Temperature of each trajectory [K], by equipartition over all frames; zero without freedom."""
        degrees: Int[Tensor, " structures"] = self.state.degrees.cpu()
        return 2 * self.series["kinetic"].mean(0) / (boltzmann * degrees.clamp(min=1))

    @property
    def temperature(self) -> float:
        """Temperature of all trajectories together [K]."""
        degrees = self.state.degrees.cpu()
        return float(2 * self.series["kinetic"].mean(0).sum() / (boltzmann * degrees.sum().clamp(min=1)))

    def __str__(self) -> str:
        copies = len(self.state.structures)
        parts = [
            f"{copies} {'trajectory' if copies == 1 else 'trajectories'} to {self.state.time / ps:.4g} ps, "
            f"{len(self.series['times'])} frames",
            f"temperature {self.temperature:.1f} K (each from {float(self.temperatures.min()):.1f} "
            f"to {float(self.temperatures.max()):.1f} K)",
        ]
        if self.conserves_energy:
            parts.append(
                f"energy drift {self.drift_mean / meV:.3g} meV/atom/ps on average, "
                f"{self.drift_worst / meV:.3g} in the worst trajectory"
            )
        if self.steps:
            cost = self.seconds / self.steps / len(self.state.structures.numbers)
            parts.append(f"{self.steps} steps in {self.seconds:.1f} s ({1e6 * cost:.1f} us/atom/step)")
        return "; ".join(parts)
