"""From features to properties: each readout gives one or more quantities of the table."""

from atnn.readouts.charges import ChargesReadout, NetworkCharges, NetworkChargesSpecification
from atnn.readouts.dipole import DipoleReadout
from atnn.readouts.energy import EnergyReadout
from atnn.readouts.latent import LatentChargesReadout

__all__ = [
    "ChargesReadout",
    "DipoleReadout",
    "EnergyReadout",
    "LatentChargesReadout",
    "NetworkCharges",
    "NetworkChargesSpecification",
]
