"""Readouts: parts that compute properties from features."""

from atnn.readouts.cartesian import CartesianTensors
from atnn.readouts.charges import NetworkCharges, NetworkChargesSpecification, RawCharges, make_charges
from atnn.readouts.density import EmbeddingDensity, LocalFriction, make_embedding_density
from atnn.readouts.dipole import AtomicDipoles, DipoleSum, make_dipole
from atnn.readouts.energy import EnergyReadout
from atnn.readouts.friction import FrictionTensor, make_friction
from atnn.readouts.hamiltonian import Hamiltonian, make_hamiltonian
from atnn.readouts.tensors import BornCharges, TensorReadout, make_born_charges, make_tensor
from atnn.readouts.transitions import TransitionDipole, make_transition_dipole

__all__ = [
    "AtomicDipoles",
    "BornCharges",
    "CartesianTensors",
    "DipoleSum",
    "EmbeddingDensity",
    "EnergyReadout",
    "FrictionTensor",
    "Hamiltonian",
    "LocalFriction",
    "NetworkCharges",
    "NetworkChargesSpecification",
    "RawCharges",
    "TensorReadout",
    "TransitionDipole",
    "make_born_charges",
    "make_charges",
    "make_dipole",
    "make_embedding_density",
    "make_friction",
    "make_hamiltonian",
    "make_tensor",
    "make_transition_dipole",
]
