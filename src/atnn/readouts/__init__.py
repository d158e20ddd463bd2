"""Readouts: parts that compute properties from features."""

from atnn.readouts.charges import NetworkCharges, NetworkChargesSpecification, RawCharges, make_charges
from atnn.readouts.density import EmbeddingDensity, LocalFriction, make_embedding_density
from atnn.readouts.dipole import AtomicDipoles, DipoleSum, make_dipole
from atnn.readouts.energy import EnergyReadout
from atnn.readouts.friction import FrictionTensor, make_friction

__all__ = [
    "AtomicDipoles",
    "DipoleSum",
    "EmbeddingDensity",
    "EnergyReadout",
    "FrictionTensor",
    "LocalFriction",
    "NetworkCharges",
    "NetworkChargesSpecification",
    "RawCharges",
    "make_charges",
    "make_dipole",
    "make_embedding_density",
    "make_friction",
]
