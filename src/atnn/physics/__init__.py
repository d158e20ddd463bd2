"""Physical energy terms and sources of charges, for use with any representation."""

from atnn.physics.charge_in_field import ChargeInField
from atnn.physics.dispersion import D3, D4, D3Specification, D4Specification
from atnn.physics.electrostatics import Electrostatics, ElectrostaticsSpecification
from atnn.physics.equilibration import Equilibration, EquilibrationSpecification
from atnn.physics.latent import LatentElectrostatics, LatentElectrostaticsSpecification
from atnn.physics.zbl import ZBL, ZBLSpecification

__all__ = [
    "D3",
    "D4",
    "ZBL",
    "ChargeInField",
    "D3Specification",
    "D4Specification",
    "Electrostatics",
    "ElectrostaticsSpecification",
    "Equilibration",
    "EquilibrationSpecification",
    "LatentElectrostatics",
    "LatentElectrostaticsSpecification",
    "ZBLSpecification",
]
