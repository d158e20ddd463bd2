"""Parameters that distinguish the elements: free ones per element, or learned functions of the electron shells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

# Subshells in the order in which they fill, with their angular momentum.
SHELLS = ("1s", "2s", "2p", "3s", "3p", "4s", "3d", "4p", "5s", "4d", "5p", "6s", "4f", "5d", "6p")
CAPACITY = {"s": 2, "p": 6, "d": 10, "f": 14}
NOBLE = (2, 10, 18, 36, 54, 86)
HEAVIEST = 86
LANTHANIDES = range(58, 72)  # many methods count some of their f electrons to the core
# Ground states that deviate from the filling order (NIST Atomic Spectra Database): changes of the occupations.
EXCEPTIONS = {
    24: {"4s": -1, "3d": 1}, 29: {"4s": -1, "3d": 1}, 41: {"5s": -1, "4d": 1}, 42: {"5s": -1, "4d": 1},
    44: {"5s": -1, "4d": 1}, 45: {"5s": -1, "4d": 1}, 46: {"5s": -2, "4d": 2}, 47: {"5s": -1, "4d": 1},
    57: {"4f": -1, "5d": 1}, 58: {"4f": -1, "5d": 1}, 64: {"4f": -1, "5d": 1}, 78: {"6s": -1, "5d": 1},
    79: {"6s": -1, "5d": 1},
}  # fmt: skip


class Species(NamedTuple):
    """The elements of a model and how its parts distinguish them.

    Attributes:
        numbers: Atomic numbers in the order of the model's element table.
        shared: Use one network for all elements, conditioned on their electron shells, instead of one per element.
    """

    numbers: tuple[int, ...]
    shared: bool = False


class PerElement(nn.Module):
    """A row of parameters per element: free parameters, or an affine function of :func:`electron_shells`.

    Args:
        species: The elements.
        initial: Initial values, one row per element. Shared parameters start from the first row, and the standard
            deviation over the elements sets the scale of the part that depends on the element.
    """

    codes: Tensor

    def __init__(self, species: Species, initial: Float[Tensor, "elements width"]):
        super().__init__()
        self.shared = species.shared
        if not self.shared:
            self.table = nn.Parameter(initial.clone())
            return
        self.register_buffer("codes", electron_shells(species.numbers).to(initial.dtype), persistent=False)
        spread = initial.std(0, correction=0) if len(initial) > 1 else torch.zeros_like(initial[0])
        self.table = nn.Parameter(initial[0].clone())
        self.slopes = nn.Parameter(torch.randn(self.codes.shape[1], initial.shape[1]) * spread)

    @torch.no_grad()
    def start_from(self, rows: Float[Tensor, "elements width"]) -> None:
        """Set the rows of all elements."""
        if not self.shared:
            self.table.copy_(rows)
            return
        mean = rows.mean(0)
        self.table.copy_(mean)
        # The pseudoinverse gives the smallest slopes; there are usually more shells than elements.
        self.slopes.copy_(torch.linalg.pinv(self.codes.double()) @ (rows - mean).double())

    def forward(self) -> Float[Tensor, "elements width"]:
        """Return the rows of all elements."""
        return self.table + self.codes @ self.slopes if self.shared else self.table


def electron_shells(numbers: Sequence[int]) -> Float[Tensor, "elements 20"]:
    """Return atomic number and occupations of the 15 subshells and of valence s, p, d, f, relative to their maxima.

    O. T. Unke et al., Nat. Commun. 2021, 12, 7273, doi:10.1038/s41467-021-27504-0.

    Raises:
        ValueError: An element heavier than radon.
    """
    rows = []
    for number in numbers:
        shells = electron_configuration(number)
        core = max([n for n in NOBLE if n < number], default=0)
        inner = electron_configuration(core) if core else dict.fromkeys(SHELLS, 0)
        valence = dict.fromkeys("spdf", 0)
        for shell in SHELLS:
            valence[shell[1]] += shells[shell] - inner[shell]
        filled = [shells[shell] / CAPACITY[shell[1]] for shell in SHELLS]
        rows.append([number / HEAVIEST, *filled, *(valence[kind] / CAPACITY[kind] for kind in "spdf")])
    return torch.tensor(rows, dtype=torch.float64).reshape(-1, 20)


def electron_configuration(number: int) -> dict[str, int]:
    """Return the number of electrons in each subshell of the neutral atom's ground state.

    Raises:
        ValueError: An element heavier than radon.
    """
    if not 1 <= number <= HEAVIEST:
        raise ValueError(f"electron shells are known up to Z = {HEAVIEST}, not for {number}")
    left, shells = number, dict.fromkeys(SHELLS, 0)
    for shell in SHELLS:
        shells[shell] = min(left, CAPACITY[shell[1]])
        left -= shells[shell]
    for shell, change in EXCEPTIONS.get(number, {}).items():
        shells[shell] += change
    return shells
