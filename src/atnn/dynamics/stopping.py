"""When a simulation has left the domain where it means anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from ase.data import chemical_symbols
from ase.formula import Formula
from jaxtyping import Float
from torch import Tensor

from atnn.dynamics.state import State
from atnn.errors import DynamicsError
from atnn.neighbors import edges, neighbor_pairs


@dataclass(frozen=True)
class Limits:
    """What stops a run, besides NaN, which always does.

    Attributes:
        energy_jump: Largest change of the total energy since the start [eV/atom] where it should be
            conserved; None to let it be.
        closest: Smallest distance of two atoms [Angstrom]: one number, or one for each pair of atomic
            numbers (smaller one first), such as the smallest seen in training; None to let it be.
        distance_every: Steps between two looks at the distances.
    """

    energy_jump: float | None = 0.1
    closest: float | Mapping[tuple[int, int], float] | None = None
    distance_every: int = 10


def check_finite(state: State) -> None:
    """Stop on NaN or infinity.

    Raises:
        DynamicsError: Energy or forces are not finite.
    """
    forces, energy = state.results["forces"], state.results["energy"]
    if bool(torch.isfinite(forces.sum() + energy.sum())):
        return
    finite = torch.isfinite(forces).all(1) & torch.isfinite(state.structures.positions).all(1)
    if not bool(finite.all()):
        where = describe(state, atom=int(torch.nonzero(~finite)[0]))
    elif not bool(torch.isfinite(energy).all()):
        where = describe(state, structure=int(torch.nonzero(~torch.isfinite(energy))[0]))
    else:
        return  # the sum overflowed, its terms are finite
    raise DynamicsError(
        "the potential gave NaN or an infinite value",
        where=where,
        remedy="look at the last frames; the model was probably taken far from its training data",
    )


def check_energy(state: State, reference: Float[Tensor, " structures"], limit: float) -> None:
    """Stop when the total energy has left its starting value.

    Args:
        state: The state.
        reference: Total energies at the start [eV].
        limit: Allowed change [eV/atom].

    Raises:
        DynamicsError: A structure changed by more.
    """
    change = (state.total_energy - reference) / state.structures.counts
    worst = int(change.abs().argmax())
    if abs(float(change[worst])) <= limit:
        return
    forces = state.results["forces"].norm(dim=1)
    atom = int(torch.where(state.structures.batch == worst, forces, -1.0).argmax())
    raise DynamicsError(
        f"the total energy jumped by {float(change[worst]):+.3g} eV/atom (allowed: {limit:g}); "
        f"the largest force is {float(forces[atom]):.3g} eV/Angstrom",
        where=describe(state, atom=atom),
        remedy="use a smaller timestep, or train on geometries like the last frames",
    )


def check_distances(state: State, closest: float | Mapping[tuple[int, int], float]) -> None:
    """Stop when two atoms are closer than they should ever be.

    Raises:
        DynamicsError: A pair is closer than its limit.
    """
    structures = state.structures
    largest = closest if isinstance(closest, int | float) else max(closest.values(), default=0.0)
    if largest <= 0:
        return
    pairs = edges(structures, neighbor_pairs(structures, float(largest)))
    if len(pairs.i) == 0:
        return
    if isinstance(closest, int | float):
        limits = torch.full_like(pairs.lengths, float(closest))
    else:
        first, second = structures.numbers[pairs.i], structures.numbers[pairs.j]
        table = torch.zeros((120, 120), dtype=pairs.lengths.dtype, device=pairs.lengths.device)
        for (a, b), value in closest.items():
            table[a, b] = table[b, a] = value
        limits = table[first, second]
    excess = pairs.lengths - limits
    worst = int(excess.argmin())
    if float(excess[worst]) >= 0:
        return
    atom, other = int(pairs.i[worst]), int(pairs.j[worst])
    raise DynamicsError(
        f"atoms {_index(state, atom)} and {_index(state, other)} are {float(pairs.lengths[worst]):.3f} Angstrom "
        f"apart, closer than {float(limits[worst]):.3f}",
        where=describe(state, atom=atom),
        remedy="train on geometries like the last frames, or lower the limit if such distances are physical",
    )


def describe(state: State, atom: int | None = None, structure: int | None = None) -> str:
    """Structure, atom and time, for a message."""
    numbers, batch = state.structures.numbers, state.structures.batch
    structure = int(batch[atom]) if atom is not None else structure
    symbols = [chemical_symbols[n] for n in numbers[batch == structure].tolist()]
    place = f"structure {structure} ({Formula.from_list(symbols).format('hill')})"
    if atom is not None:
        place += f", atom {_index(state, atom)}"
    return f"{place}, {state.time:g} fs (step {state.step})"


def _index(state: State, atom: int) -> str:
    structures = state.structures
    first = int(torch.searchsorted(structures.batch, structures.batch[atom]))
    return f"{atom - first} ({chemical_symbols[int(structures.numbers[atom])]})"
