"""Energies that physics gives, as terms any representation can use."""

from atnn.physics.electrostatics import Electrostatics, ElectrostaticsSpecification
from atnn.physics.equilibration import Equilibration, EquilibrationSpecification
from atnn.physics.zbl import ZBL, ZBLSpecification

__all__ = [
    "ZBL",
    "Electrostatics",
    "ElectrostaticsSpecification",
    "Equilibration",
    "EquilibrationSpecification",
    "ZBLSpecification",
]
