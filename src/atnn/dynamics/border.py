"""What a simulation may be asked for: numbers are looked at once, where they come in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Real

import numpy as np
import torch

from atnn.errors import DynamicsError

HOTTEST = 1e5  # K; beyond it electrons leave, and no potential of nuclei holds
LONGEST = 100.0  # fs; the slowest vibrations are sampled by less
SEEDS = 2**64  # of torch's generators


def check_timestep(timestep: float, where: str) -> None:
    """Refuse what is no time step [fs].

    Raises:
        DynamicsError: It is not between zero and 100 fs.
    """
    if not _is_number(timestep) or not 0 < timestep <= LONGEST:
        raise DynamicsError(
            f"the timestep is {timestep!r:.60} fs",
            where=where,
            remedy=f"give a positive timestep of at most {LONGEST:g} fs, for instance 0.5 fs",
        )


def check_temperature(temperature: float | torch.Tensor, where: str) -> None:
    """Refuse what are no temperatures [K].

    Raises:
        DynamicsError: One is not between zero and 1e5 K.
    """
    values = _as_numbers(temperature)
    if not bool(((values >= 0) & (values <= HOTTEST)).all()):
        raise DynamicsError(
            f"the temperature is {temperature} K, which is negative, no number, or beyond {HOTTEST:g} K",
            where=where,
            remedy="give a temperature in K, for instance 300",
        )


def check_friction(friction: float | torch.Tensor, where: str) -> None:
    """Refuse what are no frictions [1/fs].

    Raises:
        DynamicsError: One is negative or not finite.
    """
    values = _as_numbers(friction)
    if not bool(((values >= 0) & torch.isfinite(values)).all()):
        raise DynamicsError(
            f"the friction is {friction} 1/fs, which is negative or no number",
            where=where,
            remedy="give a friction in 1/fs that is not negative, for instance 0.01",
        )


def check_outputs(outputs: Sequence[str] | None, where: str) -> None:
    """Refuse what are no names of quantities.

    Raises:
        DynamicsError: It is a single text, or holds something else than texts.
    """
    if outputs is None:
        return
    if isinstance(outputs, str) or not isinstance(outputs, Iterable) or not all(isinstance(n, str) for n in outputs):
        raise DynamicsError(f"outputs are {outputs!r:.60}", where=where, remedy='give names, for instance ["dipole"]')


def check_per_atom(where: str, atoms: int, **values: torch.Tensor | None) -> None:
    """Refuse what are no finite numbers of every atom.

    Raises:
        DynamicsError: One has another shape or is not finite.
    """
    for name, value in values.items():
        shape = (atoms, 3) if name == "velocities" else (atoms,)
        if value is None:
            continue
        if tuple(value.shape) != shape or not bool(torch.isfinite(value).all()):
            raise DynamicsError(
                f"{name} of the shape {tuple(value.shape)} are not the finite numbers {shape} of {atoms} atoms",
                where=where,
                remedy=f"give {name} for every atom",
            )


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _as_numbers(value: object) -> torch.Tensor:
    """The value as a tensor; NaN for what is no number."""
    if isinstance(value, torch.Tensor | np.ndarray):
        return torch.as_tensor(value)
    try:
        return torch.tensor(float(value) if _is_number(value) else torch.nan, dtype=torch.float64)  # type: ignore[arg-type]
    except OverflowError:
        return torch.tensor(torch.nan)


def check_counts(where: str, least: int = 1, **counts: int) -> None:
    """Refuse what are no numbers of things.

    Raises:
        DynamicsError: One is no integer, or too small.
    """
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise DynamicsError(f"{name} is {value!r}", where=where, remedy=f"give an integer of {least} or more")


def seeded(seed: int, where: str) -> torch.Generator:
    """A source of random numbers.

    Raises:
        DynamicsError: The seed is no integer from 0 to 2**64 - 1.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < SEEDS:
        raise DynamicsError(f"the seed is {seed!r}", where=where, remedy="give an integer from 0 to 2**64 - 1")
    return torch.Generator().manual_seed(seed)
