"""Trajectories that ended before the run did: which, why, and where they were last."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from ase.data import chemical_symbols
from ase.formula import Formula
from jaxtyping import Int
from torch import Tensor

from atnn.dynamics.state import State
from atnn.dynamics.stopping import Condition, Explanation, Fault, all_finite, atom_name, not_finite
from atnn.errors import DynamicsError


@dataclass(frozen=True)
class Ended:
    """A trajectory that ended before the run did.

    Attributes:
        number: Its number in the batch that the run began with.
        reason: Name of the condition that ended it.
        fault: Whether it means nothing any more, or came to an end that was wanted.
        step: Step after which the condition was true.
        time: Time at that step [fs].
        what: The fault in one sentence; the reason where it is none.
        where: Structure, atom and time, for a message.
        remedy: What to do about a fault.
        state: Its last finite geometry and velocities, alone in a batch: those at ``step``, or those of the step
            before where the potential gave NaN; without results.
    """

    number: int
    reason: str
    fault: bool
    step: int
    time: float
    what: str
    where: str
    remedy: str
    state: State

    @property
    def error(self) -> DynamicsError:
        """The fault as an error."""
        return DynamicsError(self.what, where=self.where, remedy=self.remedy)


class Watch:
    """Looks at the trajectories of a run after each step, and lets those go that have ended.

    Args:
        start: The state that the run starts from.
        needs: Results that must be finite.
        faults: Conditions under which a trajectory means nothing any more.
        stops: Conditions under which a trajectory has come where it should.

    Attributes:
        numbers: Number of each trajectory that is still in the batch, in the batch that the run began with.
        ended: The others, in the order in which they ended.
    """

    def __init__(self, start: State, needs: Collection[str], faults: Sequence[Fault], stops: Mapping[str, Condition]):
        self.numbers: Int[Tensor, " running"] = torch.arange(len(start.structures))
        self.ended: list[Ended] = []
        self._needs, self._faults, self._stops = needs, faults, stops
        self._not_finite = not_finite(needs)

    def keep_finite(self, before: State, state: State) -> State:
        """The state without the structures that are not finite, of which ``before`` is the last that was."""
        if all_finite(state, self._needs):
            return state
        fault = self._not_finite
        return self._dismiss(state, fault.name, fault.condition(state), before, fault)

    def keep_running(self, before: State, state: State, steps: int, frame_due: bool) -> State:
        """The state without the structures that have ended.

        Args:
            before: The state one step earlier.
            state: The state now.
            steps: Steps since the run began.
            frame_due: Whether a frame is due.

        Raises:
            DynamicsError: A condition gives something else than one truth for each structure.
        """
        state = self.keep_finite(before, state)
        for fault in self._faults:
            if len(state.structures) and (frame_due if fault.every is None else steps % fault.every == 0):
                state = self._dismiss(state, fault.name, fault.condition(state), state, fault)
        for name, condition in self._stops.items():
            if len(state.structures):
                state = self._dismiss(state, name, condition(state), state)
        return state

    def _dismiss(self, state: State, reason: str, over: Tensor, last: State, fault: Fault | None = None) -> State:
        if over.dtype != torch.bool or over.shape != state.step.shape:
            raise DynamicsError(
                f"gives {over.dtype} of the shape {tuple(over.shape)} for {len(state.step)} structures",
                where=f"condition {reason!r}",
                remedy="return one True or False for each structure",
            )
        if not bool(over.any()):
            return state
        for row in over.nonzero()[:, 0].tolist():
            number, now = int(self.numbers[row]), state.select([row])
            explanation = Explanation(reason, "") if fault is None else fault.explain(now)
            self.ended.append(
                Ended(
                    number=number,
                    reason=reason,
                    fault=fault is not None,
                    step=int(now.step),
                    time=float(now.time),
                    what=explanation.what,
                    where=_describe(now, number, explanation.atom),
                    remedy=explanation.remedy,
                    state=last.select([row]).replace(results={}, variables={}),
                )
            )
        self.numbers = self.numbers[~over.cpu()]
        return state.select(~over)


def count_reasons(ended: Sequence[Ended]) -> str:
    """How many trajectories ended for which reason, in words."""
    reasons = [entry.reason for entry in ended]
    return ", ".join(f"{reasons.count(reason)} by {reason!r}" for reason in dict.fromkeys(reasons))


def _describe(state: State, number: int, atom: int | None) -> str:
    symbols = [chemical_symbols[n] for n in state.structures.numbers.tolist()]
    place = f"structure {number} ({Formula.from_list(symbols).format('hill')})"
    if atom is not None:
        place += f", atom {atom_name(state, atom)}"
    return f"{place}, {float(state.time):g} fs (step {int(state.step)})"
