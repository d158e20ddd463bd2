"""Batched molecular dynamics: any potential, many copies or different molecules in one tensor."""

from atnn.dynamics.ended import Ended
from atnn.dynamics.export import export_trajectory
from atnn.dynamics.integrators import INTEGRATORS, Integrator, Langevin, VelocityVerlet
from atnn.dynamics.report import RunReport
from atnn.dynamics.run import run
from atnn.dynamics.state import State, update_results
from atnn.dynamics.stopping import Condition, Explanation, Fault, closer_than, energy_jump
from atnn.dynamics.trajectory import Trajectory
from atnn.dynamics.velocities import maxwell_boltzmann

__all__ = [
    "INTEGRATORS",
    "Condition",
    "Ended",
    "Explanation",
    "Fault",
    "Integrator",
    "Langevin",
    "RunReport",
    "State",
    "Trajectory",
    "VelocityVerlet",
    "closer_than",
    "energy_jump",
    "export_trajectory",
    "maxwell_boltzmann",
    "run",
    "update_results",
]
