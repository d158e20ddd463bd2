"""Batched molecular dynamics: any potential, many copies or different molecules in one tensor."""

from atnn.dynamics.driven import InField
from atnn.dynamics.ended import Ended
from atnn.dynamics.export import export_trajectory
from atnn.dynamics.fields import (
    FIELDS,
    ConstantField,
    ElectricField,
    OscillatingField,
    PulsedField,
    SummedField,
    make_field,
)
from atnn.dynamics.integrators import INTEGRATORS, Integrator, Langevin, VelocityVerlet
from atnn.dynamics.report import RunReport
from atnn.dynamics.run import run
from atnn.dynamics.state import State, update_results
from atnn.dynamics.stopping import Condition, Explanation, Fault, closer_than, energy_jump
from atnn.dynamics.trajectory import Trajectory
from atnn.dynamics.velocities import maxwell_boltzmann

__all__ = [
    "FIELDS",
    "INTEGRATORS",
    "Condition",
    "ConstantField",
    "ElectricField",
    "Ended",
    "Explanation",
    "Fault",
    "InField",
    "Integrator",
    "Langevin",
    "OscillatingField",
    "PulsedField",
    "RunReport",
    "State",
    "SummedField",
    "Trajectory",
    "VelocityVerlet",
    "closer_than",
    "energy_jump",
    "export_trajectory",
    "make_field",
    "maxwell_boltzmann",
    "run",
    "update_results",
]
