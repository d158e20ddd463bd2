"""Batched molecular dynamics: any potential, many copies or different molecules in one tensor."""

from atnn.dynamics.integrators import Integrator, Langevin, VelocityVerlet
from atnn.dynamics.report import RunReport
from atnn.dynamics.run import run
from atnn.dynamics.state import State, evaluate
from atnn.dynamics.stopping import Limits
from atnn.dynamics.trajectory import Trajectory
from atnn.dynamics.velocities import maxwell_boltzmann

__all__ = [
    "Integrator",
    "Langevin",
    "Limits",
    "RunReport",
    "State",
    "Trajectory",
    "VelocityVerlet",
    "evaluate",
    "maxwell_boltzmann",
    "run",
]
