"""What a run says about itself: energy drift and temperature."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from atnn.dynamics.ended import Ended, count_reasons
from atnn.dynamics.state import State
from atnn.dynamics.thermometer import Reading
from atnn.units import boltzmann, meV, ps


@dataclass(frozen=True)
class RunReport:
    """Outcome of a run, all its frames from the beginning, also where it was resumed.

    Drift and temperature are those of the whole trajectories, which have not ended before the run did.

    Attributes:
        state: The last state of the whole trajectories.
        series: Values of the structures at each frame: ``times`` [frames] in fs, ``potential`` and ``kinetic``
            [frames, structures] in eV, and other outputs, such as ``dipole`` [frames, structures, 3] in e Angstrom.
            Where an electric field depends on time: ``electric_field`` [frames, structures, 3] in V/Angstrom, and its
            work ``field_work`` [frames, structures] in eV.
            NaN where a trajectory has ended.
        conserves_energy: Whether the integrator keeps the total energy, so that its drift is an error.
        steps: Steps done by this call.
        seconds: Wall time of this call [s].
        atom_steps: Steps done by this call, summed over atoms.
        numbers: Numbers of the whole trajectories, in the order of ``state``.
        ended: The other trajectories: why they ended, when, and where they were last.
        reading: The temperature beside that of the bath; None without a bath, or with too few frames.
    """

    state: State
    series: dict[str, Tensor]
    conserves_energy: bool
    steps: int
    seconds: float
    atom_steps: int
    numbers: Int[Tensor, " whole"]
    ended: tuple[Ended, ...] = ()
    reading: Reading | None = None

    @property
    def drift(self) -> Float[Tensor, " whole"]:
        """Least-squares slope of the total energy of each whole trajectory, less the work of a field [eV/atom/ps]."""
        total = self.series["potential"] + self.series["kinetic"] - self.series.get("field_work", 0.0)
        total = total[:, self.numbers]
        total = total / self.state.structures.counts.cpu()
        times = (self.series["times"] - self.series["times"].mean()) / ps
        if len(times) < 2:
            return torch.zeros(total.shape[1], dtype=total.dtype)
        return times @ (total - total[0]) / times.square().sum()

    @property
    def drift_mean(self) -> float:
        """Mean over the trajectories of the absolute drift [eV/atom/ps]; NaN where none is whole."""
        return float(self.drift.abs().mean())

    @property
    def drift_worst(self) -> float:
        """Largest absolute drift of a trajectory [eV/atom/ps]; NaN where none is whole."""
        return float(self.drift.abs().max()) if len(self.numbers) else float("nan")

    @property
    def temperatures(self) -> Float[Tensor, " whole"]:
        """Temperature of each whole trajectory [K], by equipartition over all frames; zero without freedom."""
        return 2 * self._kinetic / (boltzmann * self.state.degrees.cpu().clamp(min=1))

    @property
    def temperature(self) -> float:
        """Temperature of all whole trajectories together [K]; NaN where none is whole."""
        if len(self.numbers) == 0:
            return float("nan")
        return float(2 * self._kinetic.sum() / (boltzmann * self.state.degrees.cpu().sum().clamp(min=1)))

    @property
    def _kinetic(self) -> Float[Tensor, " whole"]:
        return self.series["kinetic"][:, self.numbers].mean(0)

    def __str__(self) -> str:
        copies = len(self.numbers) + len(self.ended)
        times = [*self.state.time.tolist(), *(entry.time for entry in self.ended)]
        parts = [
            f"{copies} {'trajectory' if copies == 1 else 'trajectories'} to {max(times) / ps:.4g} ps, "
            f"{len(self.series['times'])} frames"
        ]
        if self.ended:
            parts.append(f"{len(self.ended)} of them ended before: {count_reasons(self.ended)}")
        if len(self.numbers):
            parts.append(
                f"temperature {self.temperature:.1f} K (each from {float(self.temperatures.min()):.1f} "
                f"to {float(self.temperatures.max()):.1f} K)"
            )
        if self.reading is not None:
            parts.append(str(self.reading))
        if "field_work" in self.series and len(self.numbers):
            work = self.series["field_work"][-1, self.numbers]
            parts.append(f"the field did {float(work.mean()):+.3g} eV of work on average")
        if self.conserves_energy and len(self.numbers):
            parts.append(
                f"energy drift {self.drift_mean / meV:.3g} meV/atom/ps on average, "
                f"{self.drift_worst / meV:.3g} in the worst trajectory"
            )
        if self.steps:
            parts.append(
                f"{self.steps} steps in {self.seconds:.1f} s ({1e6 * self.seconds / self.atom_steps:.1f} us/atom/step)"
            )
        return "; ".join(parts)
