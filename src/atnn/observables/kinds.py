"""Kinds of spectra by name: what each is made of, and its curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from atnn.errors import DataError, SpecificationError, suggest
from atnn.observables.harmonic import NormalModes
from atnn.observables.infrared import infrared
from atnn.observables.mode_basis import ModeBasis
from atnn.observables.power import groups_by_element, mode_spectra, power_spectra, power_spectrum, remainder
from atnn.observables.raman import raman
from atnn.observables.sampled import Sampled
from atnn.observables.spectrum import Spectrum, resolved
from atnn.observables.sum_frequency import AXES, sum_frequency

ALIASES = {"ir": "infrared", "vdos": "power", "sfg": "sum-frequency"}


@dataclass(frozen=True)
class SpectrumSettings:
    """How spectra are made of a trajectory.

    Attributes:
        temperature: Temperature of the trajectory [K].
        correction: Quantum correction, see :data:`atnn.observables.corrections.CORRECTIONS`.
        window: Window of the correlation function, see :data:`atnn.observables.correlation.WINDOWS`.
        resolution: Full width at half maximum of a sharp line [cm^-1].
        maximum: Largest wavenumber [cm^-1].
        laser: Wavelength of the laser of Raman scattering [nm]; activities are given without one.
        modes: Normal modes of the structure, to which the power spectrum is resolved instead of to elements.
    """

    temperature: float = 300.0
    correction: str = "harmonic"
    window: str = "hann"
    resolution: float = 20.0
    maximum: float | None = None
    laser: float | None = None
    modes: ModeBasis | NormalModes | None = None

    @property
    def common(self) -> dict[str, Any]:
        """Arguments that all spectra take."""
        return {"resolution": self.resolution, "window": self.window, "maximum": self.maximum}


Curves = dict[str, Spectrum]


def _infrared(sampled: Sampled, settings: SpectrumSettings, part: slice) -> Curves:
    return {
        "intensity": infrared(
            sampled.dipoles[part], sampled.timestep, settings.temperature,
            volume=sampled.volume, correction=settings.correction, **settings.common,
        )
    }  # fmt: skip


def _raman(sampled: Sampled, settings: SpectrumSettings, part: slice) -> Curves:
    found = raman(
        sampled.polarizabilities[part], sampled.timestep, settings.temperature,
        laser=settings.laser, correction=settings.correction, **settings.common,
    )  # fmt: skip
    return {"intensity": found.pop("unpolarised"), **found}


def _sum_frequency(sampled: Sampled, settings: SpectrumSettings, part: slice) -> Curves:
    pbc, cell = sampled.structure.pbc[0].cpu().numpy(), sampled.structure.cell[0].double().cpu().numpy()
    normal = np.flatnonzero(~pbc)
    if len(normal) != 1 or np.abs(cell[pbc][:, normal]).max() > 1e-6 * np.abs(cell).max():
        raise DataError(
            f"no slab: periodic along {', '.join(name for name, p in zip('abc', pbc, strict=True) if p) or 'nothing'}",
            where=sampled.where,
            remedy="sum-frequency spectra need a structure that is periodic in two directions, normal to a Cartesian "
            "axis; see `pbc` in extended XYZ",
        )
    found = sum_frequency(
        sampled.dipoles[part], sampled.polarizabilities[part], sampled.timestep, settings.temperature,
        float(np.linalg.norm(np.cross(*cell[pbc]))), normal=AXES[int(normal[0])],
        correction=settings.correction, **settings.common,
    )  # fmt: skip
    return {"intensity": found["imaginary"], "real": found["real"]}


def _power(sampled: Sampled, settings: SpectrumSettings, part: slice) -> Curves:
    moving = sampled.velocities[part], sampled.masses, sampled.timestep, settings.temperature
    total = power_spectrum(*moving, **settings.common)
    if settings.modes is None:
        return {"intensity": total, **power_spectra(*moving, groups_by_element(sampled.numbers), **settings.common)}
    modes = settings.modes
    if not np.array_equal(modes.numbers, sampled.numbers):
        raise DataError(
            "the normal modes are of another structure than the trajectory",
            where=sampled.where,
            remedy="give modes of the same atoms in the same order",
        )
    turn = not bool(sampled.structure.pbc.any())
    found = mode_spectra(
        sampled.positions[part], *moving[:2], modes.positions, modes.modes, *moving[2:], turn=turn, **settings.common
    )
    names = [f"mode {k + 1} ({frequency:.0f} cm^-1)" for k, frequency in enumerate(modes.frequencies)]
    return {"intensity": total, **dict(zip(names, found, strict=True)), "other motion": remainder(total, found)}


KINDS: Mapping[str, Callable[[Sampled, SpectrumSettings, slice], Curves]] = {
    "infrared": _infrared,
    "raman": _raman,
    "power": _power,
    "sum-frequency": _sum_frequency,
}


def parse_kinds(text: str) -> tuple[str, ...]:
    """Names of kinds of spectra in a list with commas, in full and each once.

    Raises:
        SpecificationError: One is unknown, or there is none.

    >>> parse_kinds("ir,raman, power")
    ('infrared', 'raman', 'power')
    """
    names = [ALIASES.get(word, word) for word in (part.strip().lower() for part in text.split(",")) if word]
    for name in names:
        if name not in KINDS:
            raise SpecificationError(
                f"no spectrum is called {name!r}",
                where="kind",
                remedy=f"{suggest(name, KINDS)}known: {', '.join(KINDS)}; ir and sfg for short",
            )
    if not names:
        raise SpecificationError("no kind of spectrum is named", where="kind", remedy=f"known: {', '.join(KINDS)}")
    return tuple(dict.fromkeys(names))


def compute_curves(sampled: Sampled, kind: str, settings: SpectrumSettings) -> Curves:
    """All curves of one kind of spectrum, the main one first under the name ``intensity``."""
    return KINDS[kind](sampled, settings, slice(None))


@dataclass(frozen=True)
class Convergence:
    """How far a spectrum depends on the length of the trajectories.

    Attributes:
        whole: The spectrum of the whole trajectories, at the resolution of the halves.
        halves: Those of the first and of the second half.
        overlap: Share of the intensity that the two halves have in common, from 0 to 1.
    """

    whole: Spectrum
    halves: tuple[Spectrum, Spectrum]
    overlap: float


def check_convergence(sampled: Sampled, kind: str, settings: SpectrumSettings) -> Convergence | None:
    """Compare the main curve of the halves of the trajectories; None where these have fewer than ten samples.

    The overlap is 1 - integral |a - b| / integral (|a| + |b|) of the two halves.
    """
    middle = sampled.frames // 2
    if middle < 11:
        return None
    reached = resolved(middle - 1, sampled.timestep, settings.window)
    settings = replace(settings, resolution=max(settings.resolution, 1.01 * reached), modes=None)
    whole, first, second = (
        KINDS[kind](sampled, settings, part)["intensity"]
        for part in (slice(None), slice(0, middle), slice(sampled.frames - middle, None))
    )
    difference = np.abs(first.intensity - second.intensity).sum()
    size = (np.abs(first.intensity) + np.abs(second.intensity)).sum()
    return Convergence(whole, (first, second), float(1 - difference / size) if size > 0 else 1.0)
