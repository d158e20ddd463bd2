"""Readouts: parts that compute properties from features."""

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
