"""Conditions that end a trajectory: faults, where it means nothing any more, and ends that were wanted."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from ase.data import chemical_symbols
from jaxtyping import Bool, Float
from torch import Tensor

from atnn.dynamics.state import State, axis_of
from atnn.neighbors import edges, neighbor_pairs
from atnn.structures import Edges

Condition = Callable[[State], Bool[Tensor, " structures"]]
FIELD_WORK = "field_work"  # variable of the state: what a field has added to the total energy since the start [eV]
START_ENERGY = "start_energy"  # variable of the state: total energy where a run began that conserves it [eV]


class Explanation(NamedTuple):
    """What is wrong with a trajectory, for a message.

    Attributes:
        what: The problem, in one sentence.
        remedy: What the user can do.
        atom: Index of the atom that it concerns.
    """

    what: str
    remedy: str
    atom: int | None = None


@dataclass(frozen=True)
class Fault:
    """A condition under which a trajectory means nothing any more.

    Attributes:
        name: Its name in reports and files.
        condition: Which structures it is true for.
        explain: What is wrong, for a state that holds one such structure.
        every: Steps between two looks; None to look where a frame is due.
    """

    name: str
    condition: Condition
    explain: Callable[[State], Explanation]
    every: int | None = None


def not_finite(needs: Collection[str]) -> Fault:
    """NaN or infinity in the positions, or in what the integrator needs of the potential. It always ends a trajectory.

    Args:
        needs: Names of the results to look at.
    """

    def explain(state: State) -> Explanation:
        found = (~_finite_atoms(state, needs)).nonzero()[:, 0].tolist()
        return Explanation(
            "the potential gave NaN or an infinite value",
            "look at the last frames; the model was probably taken far from its training data",
            found[0] if found else None,
        )

    def condition(state: State) -> Bool[Tensor, " structures"]:
        wrong = torch.zeros_like(state.step, dtype=torch.bool)
        wrong[state.structures.batch[~_finite_atoms(state, needs)]] = True
        for name in needs:
            if axis_of(name) == "structure":
                wrong |= ~_finite(state.results[name])
        return wrong

    return Fault("not finite", condition, explain, every=1)


def all_finite(state: State, needs: Collection[str]) -> bool:
    """Whether the sum of the results is finite: one cheap look at the whole batch.

    A sum of finite terms may overflow; then :func:`not_finite` finds nothing.
    """
    total: float | Tensor = 0.0
    for name in needs:
        total = state.results[name].sum() + total
    return math.isfinite(total)


def energy_jump(limit: float = 0.1) -> Fault:
    """The total energy has left its starting value, where the integrator should conserve it.

    The work of an electric field that depends on time is not counted.

    Args:
        limit: Allowed change [eV/atom].
    """

    def change(state: State) -> Float[Tensor, " structures"]:
        change = state.total_energy - state.variables[START_ENERGY] - state.variables.get(FIELD_WORK, 0.0)
        return change / state.structures.counts

    def condition(state: State) -> Bool[Tensor, " structures"]:
        if START_ENERGY not in state.variables:
            return torch.zeros_like(state.step, dtype=torch.bool)
        return change(state).abs() > limit

    def explain(state: State) -> Explanation:
        forces = state.results["forces"].norm(dim=1)
        atom = int(forces.argmax())
        return Explanation(
            f"the total energy jumped by {float(change(state)):+.3g} eV/atom (allowed: {limit:g}); "
            f"the largest force is {float(forces[atom]):.3g} eV/Angstrom",
            "use a smaller timestep, or train on geometries like the last frames",
            atom,
        )

    return Fault("energy jump", condition, explain)


def too_far(timestep: float, limit: float = 1.0) -> Fault:
    """An atom moves so far in one step that nothing of the potential's shape is seen on the way.

    Args:
        timestep: Length of a step [fs].
        limit: Largest distance [Angstrom].
    """

    slowest = limit / timestep / 3**0.5  # component of the velocity of an atom that moves so far

    def distances(state: State) -> Float[Tensor, " atoms"]:
        return timestep * state.velocities.norm(dim=1)

    def condition(state: State) -> Bool[Tensor, " structures"]:
        far = torch.zeros_like(state.step, dtype=torch.bool)
        if float(state.velocities.abs().max()) > slowest:  # one look; the distances cost as much as the integrator
            far[state.structures.batch[distances(state) > limit]] = True
        return far

    def explain(state: State) -> Explanation:
        moves = distances(state)
        atom = int(moves.argmax())
        return Explanation(
            f"the atom {atom_name(state, atom)} moves by {float(moves[atom]):.3g} Angstrom in one step of "
            f"{timestep:g} fs (allowed: {limit:g})",
            "use a smaller timestep, or look at the last frames for atoms that repelled each other",
            atom,
        )

    return Fault("too far in a step", condition, explain)


def closer_than(closest: float | Mapping[tuple[int, int], float], every: int = 10) -> Fault:
    """Two atoms are closer than they should ever be.

    Args:
        closest: Smallest distance of two atoms [Angstrom]: one number, or one for each pair of atomic
            numbers, such as the smallest seen in training; pairs that are not named may be as close as they like.
        every: Steps between two looks at the distances.
    """
    largest = float(closest) if isinstance(closest, int | float) else max(closest.values(), default=0.0)

    def condition(state: State) -> Bool[Tensor, " structures"]:
        near = torch.zeros_like(state.step, dtype=torch.bool)
        if largest > 0:
            pairs = edges(state.structures, neighbor_pairs(state.structures, largest))
            near[state.structures.batch[pairs.i[pairs.lengths < _limits(state, pairs, closest)]]] = True
        return near

    def explain(state: State) -> Explanation:
        pairs = edges(state.structures, neighbor_pairs(state.structures, largest))
        limits = _limits(state, pairs, closest)
        worst = int((pairs.lengths - limits).argmin())
        atom, other = int(pairs.i[worst]), int(pairs.j[worst])
        return Explanation(
            f"atoms {atom_name(state, atom)} and {atom_name(state, other)} are {float(pairs.lengths[worst]):.3f} "
            f"Angstrom apart, closer than {float(limits[worst]):.3f}",
            "train on geometries like the last frames, or lower the limit if such distances are physical",
            atom,
        )

    return Fault("atoms too close", condition, explain, every)


def atom_name(state: State, atom: int) -> str:
    """Index of an atom of a state of one structure, and its element."""
    return f"{atom} ({chemical_symbols[int(state.structures.numbers[atom])]})"


def _limits(state: State, pairs: Edges, closest: float | Mapping[tuple[int, int], float]) -> Float[Tensor, " pairs"]:
    if isinstance(closest, int | float):
        return torch.full_like(pairs.lengths, float(closest))
    table = torch.zeros((120, 120), dtype=pairs.lengths.dtype, device=pairs.lengths.device)
    for (a, b), value in closest.items():
        table[a, b] = table[b, a] = value
    numbers = state.structures.numbers
    return table[numbers[pairs.i], numbers[pairs.j]]


def _finite_atoms(state: State, needs: Collection[str]) -> Bool[Tensor, " atoms"]:
    finite = _finite(state.structures.positions)
    for name in needs:
        if axis_of(name) == "atom":
            finite &= _finite(state.results[name])
    return finite


def _finite(values: Tensor) -> Bool[Tensor, " values"]:
    return torch.isfinite(values).reshape(len(values), -1).all(1)


def usual_faults(timestep: float) -> tuple[Fault, ...]:
    """What ends a trajectory where the caller does not say: a jump of the energy, or of an atom.

    Args:
        timestep: Length of a step [fs].
    """
    return energy_jump(), too_far(timestep)
