"""Readouts: parts that compute properties from features."""

from atnn.readouts.charges import NetworkCharges, NetworkChargesSpecification, RawCharges, make_charges
from atnn.readouts.dipole import AtomicDipoles, DipoleSum, make_dipole
from atnn.readouts.energy import EnergyReadout
from atnn.readouts.hamiltonian import Hamiltonian, make_hamiltonian

__all__ = [
    "AtomicDipoles",
    "DipoleSum",
    "EnergyReadout",
    "Hamiltonian",
    "NetworkCharges",
    "NetworkChargesSpecification",
    "RawCharges",
    "make_charges",
    "make_dipole",
    "make_hamiltonian",
]
