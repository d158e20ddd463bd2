"""Dynamics in an electric field that depends on time, and the work that it does."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from atnn.dynamics.fields import ElectricField
from atnn.dynamics.integrators import Integrator
from atnn.dynamics.state import State, update_results
from atnn.dynamics.stopping import FIELD_WORK
from atnn.errors import AtnnWarning, DynamicsError
from atnn.model import Potential

PROBE = (0.011, 0.007, 0.013)  # V/Angstrom
FEWEST, COARSE = 4, 10  # steps in the shortest time in which the field changes


@dataclass(frozen=True)
class InField:
    """Any integrator, in a uniform electric field that is a function of time.

    The potential is evaluated in the field of the time at which it is evaluated, by the clock of each structure. The
    total energy, in which the potential counts the interaction with the field, then changes by the work

        W = -int mu . dF = -sum 1/2 (mu_n + mu_n+1) . (F_n+1 - F_n),

    which is kept in ``State.variables["field_work"]``. Its error is of order h^2, that of velocity Verlet. The total
    energy less this work is what the checks of a run look at.

    Args:
        integrator: The integrator, which evaluates the potential once a step, at its end.
        field: The field.
    """

    integrator: Integrator
    field: ElectricField

    @property
    def needs(self) -> frozenset[str]:
        """Results of every step; among them the dipole, which must be -dE/dF."""
        return self.integrator.needs | {"dipole"}

    @property
    def timestep(self) -> float:
        """Length of one step [fs]."""
        return self.integrator.timestep

    @property
    def conserves_energy(self) -> bool:
        """Whether the total energy less the work of the field is a constant of the motion."""
        return self.integrator.conserves_energy

    def init(self, state: State, potential: Potential, outputs: Sequence[str] = ()) -> State:
        """The state in the field of its time; the work is counted from here."""
        work = torch.zeros_like(state.time, dtype=torch.float64)
        state = state.replace(variables={**state.variables, FIELD_WORK: work})
        return self.integrator.init(self._put(state, state.time), potential, ("dipole", *outputs))

    def step(
        self, state: State, potential: Potential, generator: torch.Generator | None, outputs: Sequence[str] = ()
    ) -> State:
        """One step, whose forces at the end are those in the field of the end."""
        later = state.time + self.timestep
        after = self.integrator.step(self._put(state, later), potential, generator, ("dipole", *outputs))
        change = self.field.at(later) - self.field.at(state.time)
        mean = (state.results["dipole"].double() + after.results["dipole"].double()) / 2
        work = state.variables[FIELD_WORK] - (mean * change).sum(1)
        return after.replace(variables={**after.variables, FIELD_WORK: work})

    def check(self, state: State, potential: Potential) -> None:
        """Look before a run whether the potential depends on the field and the time step resolves it.

        Args:
            state: The start of a run.
            potential: The potential; it forgets afterwards what it was asked here.

        Raises:
            DynamicsError: The structures state a field of their own, the energies do not depend on the field, there is
                no dipole, or the field changes faster than the time step can follow.
        """
        self._check_timestep()
        structures = state.structures
        if FIELD_WORK not in state.variables and bool((structures.applied_field != 0).any()):
            raise DynamicsError(
                "the structures state an electric field, and the run has one, too",
                where="InField",
                remedy="remove the field of the structures, or add it to that of the run as a constant field",
            )
        needs = self.integrator.needs
        probe = structures.applied_field.new_tensor(PROBE).expand(len(structures), 3)
        with_field, without = (
            update_results(state.replace(structures=structures.replace(field=f)), potential, needs).results
            for f in (probe.clone(), torch.zeros_like(probe))
        )
        potential.forget()
        if all(torch.equal(with_field[name], without[name]) for name in ("energy", "forces") if name in without):
            raise DynamicsError(
                "the potential gives the same energy and forces in every electric field: it ignores the field",
                where="InField",
                remedy="use a model whose energy depends on the field, or run without one",
            )
        if "dipole" not in potential.outputs:
            raise DynamicsError(
                "the potential does not give dipole, which the work of the field is computed from",
                where="InField",
                remedy="use a potential with the dipole -dE/dF among its outputs",
            )

    def _check_timestep(self) -> None:
        steps = self.field.shortest / self.timestep
        what = f"the electric field changes within {self.field.shortest:.3g} fs, which is only {steps:.1f} steps"
        remedy = f"use a timestep of {self.field.shortest / COARSE:.2g} fs or less"
        if steps < FEWEST:
            raise DynamicsError(what, where=f"timestep of {self.timestep:g} fs", remedy=remedy)
        if steps < COARSE:
            warnings.warn(f"timestep of {self.timestep:g} fs: {what}; {remedy}", AtnnWarning, stacklevel=4)

    def _put(self, state: State, times: Tensor) -> State:
        field = self.field.at(times).to(state.structures.positions)
        return state.replace(structures=state.structures.replace(field=field))
