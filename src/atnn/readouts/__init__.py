"""From features to properties: each readout is a part that gives one or more values."""

from atnn.readouts.charges import NetworkCharges, NetworkChargesSpecification, RawCharges, make_charges
from atnn.readouts.dipole import AtomicDipoles, DipoleSum, make_dipole
from atnn.readouts.energy import EnergyReadout

__all__ = [
    "AtomicDipoles",
    "DipoleSum",
    "EnergyReadout",
    "NetworkCharges",
    "NetworkChargesSpecification",
    "RawCharges",
    "make_charges",
    "make_dipole",
]
